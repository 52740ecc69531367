"""The manual pages, in the language of man(7).

click-man is not used: it reads the commands of click, which typer no longer stands on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from .command_tree import PROGRAM, Command, Option, all_of

__all__ = ["man_pages"]

_HOOK = "relion_dispatch.py"
_HOOK_SHORT = "The queue command that RELION calls for each job."
_HOOK_HELP = """\
RELION calls this command with the script that RELION has written from its template,
JOB/run_submit.script. People need not call it: `relion-dispatch submit SCRIPT` does the same, and
`relion-dispatch plan SCRIPT` shows what would be done.

The command decides how the job runs, submits the job to the site's scheduler, and notes all that in
the job's folder. If the job cannot be submitted, RELION shows the job as failed, and the reason is
in the job's run.err.

RELION calls this command if the variable RELION_QSUB_COMMAND names it. RELION_QSUB_TEMPLATE has to
name what `relion-dispatch template` prints, and RELION_QUEUE_USE has to be Yes. The environment
files of an installation set all three.
"""
_SPECIAL = {
    "…": "...",
    "\\": "\\e",
    "-": "\\-",
    "'": "\\(aq",
    "`": "\\(ga",
    "^": "\\(ha",
    "~": "\\(ti",
}


def man_pages(tree: Command, version: str) -> dict[str, str]:
    """The pages by their files' names, "relion-dispatch-images-add.1": one for each command."""
    pages = {f"{_name(each)}.1": "".join(_page(each, tree, version)) for each in all_of(tree)}
    pages[f"{_HOOK}.1"] = "".join(
        [
            _head(_HOOK, _HOOK_SHORT, version),
            _synopsis(_HOOK, ["SCRIPT"]),
            _section("DESCRIPTION", _paragraphs(_HOOK_HELP)),
            _see_also([PROGRAM, f"{PROGRAM}-submit", f"{PROGRAM}-plan"]),
        ]
    )
    return pages


def _name(command: Command) -> str:
    return "-".join([PROGRAM, *command.path])


def _page(command: Command, tree: Command, version: str) -> Iterator[str]:
    name = _name(command)
    yield _head(name, command.short, version)
    yield _synopsis(" ".join([PROGRAM, *command.path]), command.usage)
    yield _section("DESCRIPTION", _paragraphs(command.help))
    arguments = [each for each in command.arguments if each.meaning]
    yield _terms("ARGUMENTS", [(_italic(each.values.name), each.meaning) for each in arguments])
    yield _terms("OPTIONS", [(_option(each), each.meaning) for each in command.options])
    yield _terms("COMMANDS", [(_bold(each.path[-1]), each.short) for each in command.below])
    above = [each for each in all_of(tree) if command in each.below]
    others = [*above, *command.below] if command.path else command.below
    yield _see_also([*map(_name, others), *([] if command.path else [_HOOK])])


def _head(name: str, short: str, version: str) -> str:
    title = f'.TH {name.upper()} 1 "" "{PROGRAM} {version}" "relion\\-dispatch"\n.nh\n.ad l\n'
    return f"{title}.SH NAME\n{_text(name)} \\- {_text(short.rstrip('.'))}\n"


def _synopsis(program: str, pieces: Iterable[str]) -> str:
    return _section("SYNOPSIS", f"{_bold(program)} {' '.join(map(_text, pieces))}\n")


def _section(title: str, body: str) -> str:
    return f".SH {title}\n{body}" if body else ""


def _paragraphs(text: str) -> str:
    each = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text) if part.strip()]
    return ".PP\n".join(f"{_prose(part)}\n" for part in each)


def _terms(title: str, rows: Iterable[tuple[str, str]]) -> str:
    return _section(title, "".join(f".TP\n{term}\n{_prose(words)}\n" for term, words in rows))


def _option(option: Option) -> str:
    value = f" {_italic(option.values.name)}" if option.values else ""
    return ", ".join(map(_bold, option.names)) + value


def _see_also(names: Iterable[str]) -> str:
    return _section("SEE ALSO", ",\n".join(f"{_bold(name)}(1)" for name in names) + "\n")


def _prose(text: str) -> str:
    """A paragraph, what stands between backquotes in bold, each sentence on a line of its own."""
    parts = re.split(r"`([^`]+)`", " ".join(text.split()))
    shown = [_bold(part) if at % 2 else _text(part) for at, part in enumerate(parts)]
    lines = re.sub(r"(?<=[.:?]) (?=[A-Z\\])", "\n", "".join(shown))
    return f"\\&{lines}" if lines.startswith(".") else lines  # which would be a request


def _bold(text: str) -> str:
    return f"\\fB{_text(text)}\\fR"


def _italic(text: str) -> str:
    return f"\\fI{_text(text)}\\fR"


def _text(text: str) -> str:
    """The text with what means something else in the language of man pages in its words."""
    return "".join(
        _SPECIAL.get(letter, letter if letter.isascii() else f"\\[u{ord(letter):04X}]")
        for letter in text
    )
