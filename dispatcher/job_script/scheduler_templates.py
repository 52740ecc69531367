"""Which templates has a scheduler, and where in a script do its directives stand?

A scheduler reads directives up to the first command. So whatever a template prints as directives
is brought there, whichever way a site has added its own: behind what is shipped, most often, which
ends with a command.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from markupsafe import Markup

from ..host.directives import directive, directive_word, first_command

__all__ = ["directives_first", "moved_to", "scheduler_templates", "unread_directives"]

# What templates call a list of files: NAME/watcher.sh.j2 is a file of the scheduler NAME.
_NOW = ("directives", "further_directives", "watcher", "further_watcher")
# Version 0.1.0 had NAME_watcher.sh.j2. A scheduler's functions are in the library now.
_ENDINGS_OF_0_1_0 = {"functions": "_functions", "watcher": "_watcher", "directives": ""}


def scheduler_templates(folders: Sequence[str]) -> dict[str, list[str]]:
    """The names under which Jinja looks for each of a scheduler's templates, in order."""
    return {
        kind: [f"schedulers/{name}" for folder in folders for name in _names(folder, kind)]
        for kind in dict.fromkeys((*_NOW, *_ENDINGS_OF_0_1_0))
    }


def _names(folder: str, kind: str) -> Iterator[str]:
    if kind in _ENDINGS_OF_0_1_0:
        yield f"{folder}{_ENDINGS_OF_0_1_0[kind]}.sh.j2"
    if kind in _NOW:
        yield f"{folder}/{kind}.sh.j2"


def moved_to(template: str) -> str | None:
    """Where the shipped template of that name in version 0.1.0 is now; None for any other name.

    >>> moved_to("schedulers/ferry_watcher.sh.j2"), moved_to("schedulers/ferry_functions.sh.j2")
    ('schedulers/ferry/watcher.sh.j2', 'schedulers/ferry/functions.sh')
    """
    for kind, ending in _ENDINGS_OF_0_1_0.items():
        if found := re.fullmatch(rf"schedulers/([^/]+){ending}\.sh\.j2", template):
            return f"schedulers/{found[1]}/{kind}.sh{'.j2' if kind in _NOW else ''}"
    return None


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
    words = {word for word in map(directive_word, lines[:first]) if word}
    for number, line in enumerate(lines[first:], first + 1):
        if directive_word(line) in words:
            yield number, line
