"""Running programs on the host: the scheduler's, Apptainer, a job itself.

Also from inside the appliance, where none of these can run: see :mod:`dispatcher.host.appliance`.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from .hidden_variables import NOTHING, Hidden

if TYPE_CHECKING:
    from .appliance import Channel, HostProcess

__all__ = ["Finished", "Started", "attached", "detached", "in_appliance", "run", "start",
           "variables", "which"]  # fmt: skip


_HOST = "RELION_DISPATCH_HOST"  # set inside the appliance: a folder (appliance.py)
Started: TypeAlias = "subprocess.Popen[bytes] | HostProcess"


class Finished(NamedTuple):
    """How a program ended: exit status (negative for a signal), and what it printed."""

    status: int
    stdout: str
    stderr: str


def run(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    timeout: float | None = None,
    unset: Collection[str] = (),
    hidden: Hidden = NOTHING,
    given: bytes = b"",
) -> Finished:
    """Run a program and keep what it prints; `given` is what it reads, without that nothing.

    `timeout` is in seconds; `unset` names variables that it is not to see, and so does `hidden`.

    Raises:
        OSError: the program cannot be started.
        subprocess.TimeoutExpired: it did not end in time; it was told to end.
    """
    if outside := _outside():
        process = outside.ask(
            "run", argv, cwd=cwd, timeout=timeout, unset=unset, hidden=hidden, given=given
        )
        status = process.wait()
        found = Finished(status, *process.printed())
        process.forget()
        return found
    if given:
        return _fed(argv, given, cwd=cwd, env=_environment(unset, hidden), timeout=timeout)
    done = subprocess.run(
        argv,
        cwd=cwd,
        env=_environment(unset, hidden),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=timeout,
        text=True,
        errors="replace",
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def _fed(
    argv: Sequence[str],
    given: bytes,
    *,
    cwd: Path | None,
    env: Mapping[str, str],
    timeout: float | None,
) -> Finished:
    """Run a program that reads `given`, with files in the place of pipes.

    A process that the program leaves behind may keep these open (as ssh's shared connection does,
    before OpenSSH 8.5): nobody waits for it.
    """
    with ExitStack() as stack:
        read, out, err = (stack.enter_context(tempfile.TemporaryFile()) for _ in range(3))
        read.write(given)
        read.seek(0)
        done = subprocess.run(
            argv, cwd=cwd, env=env, stdin=read, stdout=out, stderr=err, timeout=timeout
        )
        out.seek(0)
        err.seek(0)
        return Finished(
            done.returncode, *(file.read().decode(errors="replace") for file in (out, err))
        )


def attached(argv: Sequence[str], *, cwd: Path | None = None, hidden: Hidden = NOTHING) -> int:
    """Run a program on the user's own terminal; its exit status.

    It does not see the variables of `hidden`.

    Raises:
        OSError: the program cannot be started.
    """
    return start(argv, cwd=cwd, hidden=hidden).wait()


def start(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    variables: Mapping[str, str] | None = None,
    hidden: Hidden = NOTHING,
    opened: tuple[Path, int] | None = None,
) -> Started:
    """Start a program on the user's own terminal, and go on.

    `variables` are added to its environment, which is without those of `hidden`. `opened` is a
    folder that is open here as that descriptor; the program inherits it.

    Raises:
        OSError: the program cannot be started.
    """
    if outside := _outside():
        if which(argv[0]) is None:
            raise FileNotFoundError(errno.ENOENT, "No such program on the host", argv[0])
        return outside.ask(
            "attached", argv, cwd=cwd, variables=variables, hidden=hidden, opened=opened
        )
    return subprocess.Popen(
        argv,
        cwd=cwd,
        env={**_environment((), hidden), **(variables or {})},
        pass_fds=(opened[1],) if opened else (),
    )


def detached(argv: Sequence[str], *, cwd: Path | None = None, unset: Collection[str] = ()) -> int:
    """Start a program in a session of its own, without terminal; its process id.

    Raises:
        OSError: the program cannot be started.
    """
    if outside := _outside():
        process = outside.ask("detached", argv, cwd=cwd, unset=unset)
        process.wait()
        pid = int(process.printed()[0])
        process.forget()
        return pid
    return subprocess.Popen(
        argv,
        cwd=cwd,
        env=_environment(unset),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ).pid


def which(program: str) -> str | None:
    """The path of a program, None if it is not found."""
    if outside := _outside():
        process = outside.ask("which", [program])
        found = process.printed()[0].strip() if process.wait() == 0 else ""
        process.forget()
        return found or None
    return shutil.which(program)


def variables(names: Iterable[str]) -> dict[str, str]:
    """Those of the variables that are set, and their values.

    In the appliance there are some, Apptainer's own, that nobody inside sees.
    """
    if _outside():
        asked = {name: run(["printenv", name]) for name in names}
        return {name: said.stdout[:-1] for name, said in asked.items() if said.status == 0}
    return {name: os.environ[name] for name in names if name in os.environ}


def in_appliance() -> bool:
    """Whether this process runs in the appliance, whose users and programs are not the host's."""
    return bool(os.environ.get(_HOST))


def _outside() -> Channel | None:
    """The way to the host; None if this process runs on the host already."""
    folder = os.environ.get(_HOST)
    if not folder:
        return None
    from .appliance import Channel  # the hook seldom needs it

    return Channel(Path(folder))


def _environment(unset: Collection[str], hidden: Hidden = NOTHING) -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name not in unset and not hidden.hides(name)
    }
