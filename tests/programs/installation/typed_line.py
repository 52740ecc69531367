"""A shell on a terminal, and what a Tab makes of the line that is typed there."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["TypedLine"]

_PATIENCE = 60  # seconds, for a machine that is busy
_LINE = r"\n(?:[#>%] )?"  # behind a prompt, if the shell has read before it wrote the prompt
_START, _END = "\x01", "\x05"  # keys that go there in the line


class TypedLine:
    """A shell that was started by `command` in `folder`, and has run the lines of `setup`.

    `variables` are all that it inherits.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        setup: Sequence[str],
        variables: Mapping[str, str],
    ) -> None:
        self._process, self._terminal = pty.fork()
        if not self._process:
            os.chdir(folder)
            os.execvpe(command[0], list(command), dict(variables))
        self._shown = ""
        for number, line in enumerate(setup):
            self._type(f"{line}; echo @{number}\r")
            self._answer(f"{_LINE}@{number}\r")

    def completed(self, text: str) -> str:
        """The line after `text` and a Tab were typed, without a blank or slash at its end."""
        self._shown = ""
        self._type(f"{text}\t{_START}echo @{_END}\r")
        return self._answer(f"{_LINE}@(.*?)[ /]*\r")

    def close(self) -> None:
        """End the shell."""
        os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)
        os.close(self._terminal)

    def _type(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    def _answer(self, pattern: str) -> str:
        until = time.monotonic() + _PATIENCE
        while not (found := re.search(pattern, self._shown)):
            assert time.monotonic() < until, self._shown
            if select.select([self._terminal], [], [], 0.2)[0]:
                self._shown += os.read(self._terminal, 65536).decode(errors="replace")
        return found[1] if found.groups() else ""
