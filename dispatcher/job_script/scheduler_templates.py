"""Which templates has a scheduler, and where in a script do its directives stand?

A scheduler reads directives up to the first command. So whatever a template prints as directives
is brought there, whichever way a site has added its own: behind what is shipped, most often, which
ends with a command.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from markupsafe import Markup

__all__ = [
    "directive", "directives_first", "first_command", "scheduler_templates", "unread_directives",
]  # fmt: skip

# "#FERRY --x", "#$ -x", "#ferry: -x": a word in a comment, and an option.
_DIRECTIVE = re.compile(r"#(\$|[A-Za-z]+:?)[ \t]+-")

# What templates call a list of files, and how these are named: as version 0.1.0 had it, and now.
_FILES = {
    "directives": ("{}.sh.j2", "{}/directives.sh.j2"),
    "further_directives": ("{}/further_directives.sh.j2",),
    "watcher": ("{}_watcher.sh.j2", "{}/watcher.sh.j2"),
    "further_watcher": ("{}/further_watcher.sh.j2",),
    "functions": ("{}_functions.sh.j2",),
}


def scheduler_templates(folders: Sequence[str]) -> dict[str, list[str]]:
    """The names under which Jinja looks for each of a scheduler's templates, in order."""
    return {
        name: [f"schedulers/{file.format(folder)}" for folder in folders for file in files]
        for name, files in _FILES.items()
    }


def directives_first(text: str) -> Markup:
    """What a template prints as directives, with all directives before the first command.

    >>> print(directives_first("#X -a\\nrun\\n#X -b\\n# -c\\n"), end="")
    #X -a
    #X -b
    run
    # -c
    """
    lines = str(text).split("\n")
    if lines[-1]:
        lines.append("")
    first = first_command(lines)
    later = [line for line in lines[first:] if directive(line)]
    rest = [line for line in lines[first:] if not directive(line)]
    return Markup("\n".join([*lines[:first], *later, *rest]))


def unread_directives(script: str) -> Iterator[tuple[int, str]]:
    """Number and text of each line that looks like one of the script's directives, and stands
    behind its first command, where no scheduler reads it."""
    lines = script.splitlines()
    first = first_command(lines)
    words = {found[1] for line in lines[:first] if (found := _DIRECTIVE.match(line))}
    for number, line in enumerate(lines[first:], first + 1):
        if (found := _DIRECTIVE.match(line)) and found[1] in words:
            yield number, line


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
