"""Which lines of a script are a scheduler's directives, whichever scheduler it is?

A scheduler reads directives up to the first command.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["directive", "directive_word", "first_command"]

# "#FERRY --x", "#$ -x", "#ferry: -x": a word in a comment, and an option.
_DIRECTIVE = re.compile(r"#(\$|[A-Za-z]+:?)[ \t]+-")


def directive_word(line: str) -> str | None:
    """The word by which the scheduler knows a directive; None for any other line.

    >>> directive_word("#X -a"), directive_word("# a comment")
    ('X', None)
    """
    found = _DIRECTIVE.match(line)
    return found[1] if found else None


def directive(line: str) -> str | None:
    """The option in a line that is a directive; None for any other line.

    >>> directive('#X --time="3 days"'), directive("# a comment")
    ('--time="3 days"', None)
    """
    found = _DIRECTIVE.match(line)
    return line[found.end() - 1 :].rstrip() if found else None


def first_command(lines: Sequence[str]) -> int:
    """The index of the first line that is neither empty nor a comment, which may be indented.

    >>> first_command(["#!/bin/sh", "", "  # resources", "#X -a", "run"])
    4
    """
    plain = (line.strip() for line in lines)
    commands = (at for at, line in enumerate(plain) if line and not line.startswith("#"))
    return next(commands, len(lines))
