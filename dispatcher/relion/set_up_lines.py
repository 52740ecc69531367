"""Which lines of a submission only set up the shell that reads them, such as ``module load``?

Each command runs by itself, most of them in an image, so that such a line is of no use to it. A
line that goes on to run something is not planned: what it runs may need what the line sets up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..errors import InputError
from ..host.shell_tokens import Assignment, Operator, bare, tokens

__all__ = ["only_sets_up"]

_SETS_UP = r"(?:module|ml|source|\.|export|unset|set|ulimit|umask|setenv|cd)"
_BEGINS = re.compile(rf"{_SETS_UP}(?:[\s;&|]|$)")
# What may stand beside it: cd $HOME/project || exit 1
_BESIDE = re.compile(rf"{_SETS_UP}|exit|return|true|false|:")


def only_sets_up(line: str) -> bool:
    """Whether the line holds set-up commands, and nothing else.

    Raises:
        InputError: it begins with one, and then runs something.
    """
    line = line.strip()
    if not _BEGINS.match(line):
        return False
    if all(map(_BESIDE.fullmatch, _programs(line))):
        return True
    raise InputError(
        "the line sets up a shell and then runs a command, and relion-dispatch runs each command "
        "by itself, without what the line sets up"
    )


def _programs(line: str) -> Iterator[str]:
    """The first word of each simple command."""
    awaited = True
    for token in tokens(line):
        if isinstance(token, Operator):
            awaited = True
        elif awaited and not isinstance(token, Assignment) and bare(token) not in ("{", "}"):
            yield bare(token)
            awaited = False
