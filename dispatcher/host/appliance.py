"""From inside the appliance to the host: programs run outside, by the shell that started us.

deploy/appliance.sh is the other side. It names a folder of both in RELION_DISPATCH_HOST:

    shell            the process id of the shell outside
    bell             a FIFO: a line with a request's name
    NAME.request     shell text: what to run, and how
    NAME.given       what it reads, if there is something
    NAME.server      the process id of the shell that runs it, which outlives the one outside
    NAME.out, .err   what it printed
    NAME.pid         its process id, for programs on the user's terminal
    NAME.status      its exit status, "missing" or "timeout"; last: all there is to say is said
"""

from __future__ import annotations

import errno
import itertools
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from .hidden_variables import NOTHING, Hidden
from .processes import is_alive

__all__ = ["Channel", "HostProcess"]

_NUMBERS = itertools.count(1)
_GONE = "the shell outside the appliance has gone"


class Channel:
    """Requests to the shell outside, each in files of its own: any thread may ask."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def ask(
        self,
        how: Literal["run", "attached", "detached", "which"],
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        timeout: float | None = None,
        unset: Collection[str] = (),
        variables: Mapping[str, str] | None = None,
        hidden: Hidden = NOTHING,
        opened: tuple[Path, int] | None = None,
        given: bytes = b"",
    ) -> HostProcess:
        """Have a program run on the host.

        `opened` is a folder that it inherits as that descriptor; `given` is what it reads.

        Raises:
            OSError: the shell outside has gone.
        """
        name = f"{os.getpid()}-{next(_NUMBERS)}"
        read = self.folder / f"{name}.given"
        if given:
            read.write_bytes(given)
        lines = [
            f"how={how}",
            f"seconds={'' if timeout is None else timeout}",
            f"directory={shlex.quote(str(cwd or Path.cwd()))}",
            *(f"unset {variable}" for variable in unset if variable.isidentifier()),
            *(f"unset -f {function}" for function in map(_function, unset) if function),
            *hidden.as_shell(),
            *(
                f"export {variable}={shlex.quote(value)}"
                for variable, value in (variables or {}).items()
                if variable.isidentifier()
            ),
            f"opened={shlex.quote(str(opened[0])) if opened else ''}",
            f"descriptor={opened[1] if opened else ''}",
            f"given={shlex.quote(str(read)) if given else '/dev/null'}",
            f"set -- {' '.join(shlex.quote(word) for word in argv)}",
        ]
        text = "\n".join(lines) + "\n"
        (self.folder / f"{name}.request").write_bytes(os.fsencode(text))
        try:
            bell = os.open(self.folder / "bell", os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            raise OSError(errno.EPIPE, _GONE) from error
        try:
            os.write(bell, f"{name}\n".encode())
        finally:
            os.close(bell)
        return HostProcess(self, name, argv)

    def is_heard(self) -> bool:
        """Whether the shell outside still lives."""
        try:
            return is_alive(int((self.folder / "shell").read_text()))
        except (OSError, ValueError):
            return False


def _function(variable: str) -> str:
    """The function of bash that such a variable exports; "" for other variables."""
    name = variable.removeprefix("BASH_FUNC_").removesuffix("%%")
    return name if name != variable and name.isidentifier() else ""


class HostProcess:
    """A program on the host, as far as :class:`subprocess.Popen` is needed of it."""

    def __init__(self, outside: Channel, name: str, argv: Sequence[str]) -> None:
        self._outside = outside
        self._files = outside.folder / name
        self._argv = argv
        self.returncode: int | None = None

    def _file(self, kind: str) -> Path:
        return self._files.with_name(f"{self._files.name}.{kind}")

    @property
    def pid(self) -> int:
        """Its process id, 0 while it has not started."""
        return self._number("pid")

    def _number(self, kind: str) -> int:
        try:
            return int(self._file(kind).read_text())
        except (OSError, ValueError):
            return 0

    def poll(self) -> int | None:
        """The exit status, None while it runs.

        Raises:
            OSError: the program is not there, or the shell outside has gone.
            subprocess.TimeoutExpired: it took longer than it was given.
        """
        if self.returncode is not None:
            return self.returncode
        try:
            status = self._file("status").read_text().strip()
        except OSError:
            if self._outside.is_heard() or any(map(is_alive, (self._number("server"), self.pid))):
                return None
            if self._file("status").exists():  # written since it was looked for
                return None
            if not self.pid:
                raise OSError(errno.EPIPE, _GONE) from None
            self.returncode = 255  # nobody is left who could tell
            return self.returncode
        if status == "missing":
            raise FileNotFoundError(errno.ENOENT, "No such program on the host", self._argv[0])
        if status == "timeout":
            raise subprocess.TimeoutExpired(list(self._argv), 0)
        self.returncode = int(status)
        return self.returncode

    def wait(self) -> int:
        """Wait for its end; the exit status. Raises as :meth:`poll`."""
        pause = 0.002
        while (status := self.poll()) is None:
            time.sleep(pause)
            pause = min(pause * 1.2, 0.1)
        return status

    def terminate(self) -> None:
        """Ask it to end."""
        if pid := self.pid:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGTERM)

    def printed(self) -> tuple[str, str]:
        """What it wrote to standard output and to standard error."""
        return tuple(self._file(kind).read_text(errors="replace") for kind in ("out", "err"))  # type: ignore[return-value]

    def forget(self) -> None:
        """Remove the request's files."""
        for kind in ("request", "given", "server", "out", "err", "pid", "status"):
            self._file(kind).unlink(missing_ok=True)
