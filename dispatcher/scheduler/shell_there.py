"""What does the shell of another machine get so that a command runs there, and what came of it?

The text is for /bin/sh, which reads it from its standard input: the login shell, whatever shell
that is, reads no word of it, and words of any bytes arrive as they are. All of it stands within
braces: of a text that was cut off nothing runs.

What the command prints stands between two marks, on standard output and on standard error: login
shells greet, and ssh has messages and an exit status of its own, 255, which a scheduler's commands
may have as well. The second mark on standard output has the command's status. Without that mark
nobody knows how the command ended, or whether it did.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ..host.programs import Finished
from .no_way import Lacks

__all__ = ["Command", "NotStarted", "finished", "names_in", "not_started", "text_to_look",
           "text_to_run"]  # fmt: skip

_SIGNALS = range(129, 160)  # the statuses by which a shell tells that a signal ended a command


class Command(NamedTuple):
    """A command, and what there has to be on the machine where it runs.

    Attributes:
        argv: its words.
        folder: where it runs.
        files: the files among its words, and their sha256 here.
        patience: seconds for them to be seen there as well.
        starts: further programs that it may start.
    """

    argv: Sequence[str]
    folder: Path
    files: Mapping[str, str] = {}
    patience: float = 0
    starts: Sequence[str] = ()


class NotStarted(NamedTuple):
    """What the other machine lacks, so that it did not start the command.

    Attributes:
        lacks: the folder, the program, or a file as it is here.
        name: that folder, program or file.
    """

    lacks: Lacks
    name: str


def text_to_look(mark: str, command: Command) -> str:
    """Shell text that starts nothing: is all there, and which variables does the command see?"""
    files = (
        f"same {digest} {shlex.quote(file)} || {{ say file.{at}; exit 0; }}"
        for at, (file, digest) in enumerate(command.files.items())
    )
    pauses = " ".join(map(str, _pauses(command.patience)))
    return _text(
        mark,
        command,
        "same() {",
        f"    for pause in {pauses}; do",
        '        found=$({ sha256sum < "$2"; } 2> /dev/null)',
        '        [ "${found%% *}" != "$1" ] || return 0',
        '        sleep "$pause"; ls "${2%/*}" > /dev/null 2>&1',
        "    done",
        "    return 1",
        "}",
        *files,
        "say began; env | sed 's/=.*//'; say 'ended 0'",
    )


def text_to_run(
    mark: str, command: Command, unset: Iterable[str], variables: Mapping[str, str]
) -> str:
    """Shell text that runs the command, without some variables, and with others."""
    words = [word for name in unset for word in ("-u", name)]
    words += [f"{name}={value}" for name, value in variables.items()]
    # env would take a program's path with an equals sign in it for another variable.
    words += ["sh", "-c", 'exec "$@"', "sh", *command.argv]
    return _text(
        mark,
        command,
        "say began; say began >&2",
        f"command env {shlex.join(words)} < /dev/null",
        "status=$?",
        'say ended >&2; say "ended $status"',
    )


def _text(mark: str, command: Command, *lines: str) -> str:
    program, *others = map(shlex.quote, (command.argv[0], *command.starts))
    finds = " && ".join(f"command -v {each}" for each in (program, *others))
    return "\n".join(
        (
            "{",
            f"say() {{ printf '%s %s\\n' {mark} \"$1\"; }}",
            f"cd -- {shlex.quote(str(command.folder))} 2> /dev/null || {{ say folder; exit 0; }}",
            # What people have on their path after a login may be missing after ssh with a command.
            f"{{ {finds}; }} > /dev/null 2>&1 || [ ! -r /etc/profile ] ||",
            "    . /etc/profile > /dev/null 2>&1 < /dev/null",
            f"command -v {program} > /dev/null 2>&1 || {{ say program; exit 0; }}",
            *lines,
            "}\n",
        )
    )


def _pauses(patience: float) -> list[int]:
    """Whole seconds between looks at a file, which take no longer in all; the last is none."""
    found: list[int] = []
    while sum(found) + (pause := min(1 + len(found), 5)) <= patience:
        found.append(pause)
    return [*found, 0]


def not_started(mark: str, command: Command, printed: str) -> NotStarted | None:
    """What the other machine lacks; None if it does not say so."""
    found = re.search(rf"{mark} (folder|program|file)(?:\.(\d+))?\n", printed)
    if found is None:
        return None
    if found[1] == "file":
        return NotStarted("file", list(command.files)[int(found[2])])
    if found[1] == "folder":
        return NotStarted("folder", str(command.folder))
    return NotStarted("program", command.argv[0])


def finished(mark: str, done: Finished) -> Finished | None:
    """How the command ended, and what it printed; None if nobody knows.

    >>> said = Finished(0, "Welcome!\\nM began\\n17\\nM ended 255\\n", "M began\\nM ended\\nBye\\n")
    >>> finished("M", said)
    Finished(status=255, stdout='17\\n', stderr='')
    >>> finished("M", Finished(255, "Welcome!\\nM began\\n17\\n", "M began\\nConnection closed\\n"))
    """
    out = re.search(rf"{mark} began\n(.*){mark} ended (\d+)\n", done.stdout, re.DOTALL)
    if out is None:
        return None
    err = re.search(rf"{mark} began\n(.*?)(?:{mark} ended\n|\Z)", done.stderr, re.DOTALL)
    status = int(out[2])
    return Finished(
        128 - status if status in _SIGNALS else status, out[1], err[1] if err else done.stderr
    )


def names_in(printed: str) -> list[str]:
    """The names of variables, one a line; a line of a value of several lines does no harm.

    >>> names_in("HOME\\nBASH_FUNC_ml%%\\n}\\n\\na b\\n")
    ['HOME', 'BASH_FUNC_ml%%', '}']
    """
    return [line for line in printed.splitlines() if re.fullmatch(r"[^\s=]+", line)]
