"""A long program whose output is shown as it comes, and kept."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from ...host.hidden_variables import NOTHING, Hidden
from ...host.programs import attached

__all__ = ["Streamed", "ended_by_signals", "streamed"]

# A session of its own: all that the program started can be ended by one signal.
_SCRIPT = """
log=$1
shift
{
    setsid "$@" < /dev/null &
    echo $! > "$log.pid"
    wait $!
    echo $? > "$log.status"
} 2>&1 | tee "$log" >&2
"""


class Streamed(NamedTuple):
    """How a program ended: its exit status, and all it printed on stdout and stderr."""

    status: int
    output: str


def streamed(argv: Sequence[str], folder: Path, hidden: Hidden = NOTHING) -> Streamed:
    """Run a program in `folder`, where a log is kept, its output going to stderr as it comes.

    It does not see the variables of `hidden`. When this is interrupted, the program and what it
    started are ended.

    Raises:
        OSError: the shell cannot be started.
    """
    log = folder / ".output"
    try:
        attached(["sh", "-c", _SCRIPT, "sh", str(log), *argv], cwd=folder, hidden=hidden)
    except BaseException:
        _end(log.with_name(".output.pid"))
        raise
    try:
        status = int(log.with_name(".output.status").read_text())
    except (OSError, ValueError):  # killed, or a full disk
        status = 1
    try:
        return Streamed(status, log.read_text(errors="replace"))
    except OSError:
        return Streamed(status or 1, "")


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let TERM and HUP end the block as Ctrl-C does, so that what it holds is cleaned up."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {each: signal.signal(each, stop) for each in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _end(pid_file: Path) -> None:
    try:
        group = int(pid_file.read_text())
    except (OSError, ValueError):
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        for number, seconds in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 2.0)):
            os.killpg(group, number)
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                os.killpg(group, 0)
                time.sleep(0.1)
