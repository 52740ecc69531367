"""Writes docs/errors.md: every sentence that users and admins can meet, and which file says it.

Usage: python -m docs.making.error_index      (docs/update.sh calls it)
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import grimp

from dispatcher import errors

from .python_texts import python_texts
from .shell_texts import shell_texts

__all__ = ["PAGE", "error_index"]

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "errors.md"

INTRODUCTION = """\
# What the dispatcher says

This page lists every sentence that users and admins can meet. Search it for the words of a
message, or read it as one text. Help texts are not listed: `relion-dispatch COMMAND --help` prints
them.

- … stands for what the program fills in: a name, a number, a path, or another line of this page.
- «text» is said in some cases only. «one | other» means one of the two.
- A line without a full stop is mostly part of a longer sentence.
- The file that says the sentence is named in brackets.

`docs/update.sh` makes this page from the source, and a test compares the two.
"""


class Group(NamedTuple):
    """The sentences that are met in one situation: its title, and who reads them where."""

    title: str
    met: str


SUBMITTED = Group(
    "When a job is submitted",
    "RELION's user reads these in the job's `run.err`, which RELION's window shows. "
    "`relion-dispatch plan` prints the same.",
)
SITE_FILES = Group(
    "When a file of the site is wrong",
    "The admin reads these from `relion-dispatch check`. If a job is submitted meanwhile, its user "
    "reads them in `run.err`.",
)
REASONS = Group(
    "Why a job is planned as it is",
    "Reasons, warnings, and parts of other sentences. They stand in `run.out`, in `dispatch.json` "
    "and in what `relion-dispatch plan` prints.",
)
RUNNING = Group(
    "While a job runs",
    "The job script writes these to `run.err` or `run.out`; a script made by "
    "`relion-dispatch reproduce` prints them.",
)
ENDED = Group(
    "Why a job failed",
    "The end of `run.err`: “The job failed after …, because …”, or “The job ended before its "
    "script could report the end, because …”. A site adds its own causes "
    "([How jobs end](endings.md)).",
)
COMMANDS = Group(
    "At the command line",
    "Who calls `relion-dispatch` reads these: errors, questions, and what the commands report. "
    "`status` and `watch` write some of them to the `run.err` of a job that has ended.",
)
INSTALLED = Group(
    "When the dispatcher is installed or started",
    "Scripts in `deploy` print these: to the admin who installs the dispatcher, to who tries the "
    "demo, and in RELION's window if RELION runs from its image.",
)
# pydantic hands a ValueError's words on in a ConfigError.
_OF_KINDS = {"": REASONS, "ConfigError": SITE_FILES, "ValueError": SITE_FILES}
GROUPS = (SUBMITTED, SITE_FILES, REASONS, RUNNING, ENDED, COMMANDS, INSTALLED)


class Sentence(NamedTuple):
    """A sentence, the file that says it (below the root of the project), and where it is met."""

    words: str
    file: str
    group: Group


def error_index() -> str:
    """The whole page, docs/errors.md."""
    sentences = sorted(
        {*_of_python(), *_of_shell(), *_of_configuration()},
        key=lambda each: (_alphabetical(each.words), each.words, each.file),
    )
    parts = [INTRODUCTION]
    for group in GROUPS:
        lines = [f"- {_markdown(s.words)} (`{s.file}`)" for s in sentences if s.group is group]
        once = dict.fromkeys(lines)
        parts.append("\n".join([f"## {group.title}", "", group.met, "", *once, ""]))
    return "\n".join(parts)


def _of_python() -> Iterator[Sentence]:
    graph = grimp.build_graph("dispatcher", cache_dir=None)
    of_the_hook = {"dispatcher.hook", *graph.find_upstream_modules("dispatcher.hook")}
    kinds = frozenset(errors.__all__) | {"ValueError", "refuse"}
    for name in graph.modules:
        path = ROOT.joinpath(*name.split(".")).with_suffix(".py")
        if not path.is_file():  # a folder, whose __init__.py says nothing
            continue
        for words, kind in python_texts(path, kinds):
            group = _OF_KINDS.get(kind, SUBMITTED) if name in of_the_hook else COMMANDS
            yield Sentence(_spoken(words), str(path.relative_to(ROOT)), group)
    start = ROOT / "deploy" / "relion_dispatch.py"  # what RELION calls, before any room is reached
    for words, _ in python_texts(start, kinds):
        yield Sentence(_spoken(words), str(start.relative_to(ROOT)), SUBMITTED)


def _of_shell() -> Iterator[Sentence]:
    for folder, group in (("job_template", RUNNING), ("deploy", INSTALLED)):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".j2", ".sh"):
                for words in shell_texts(path):
                    yield Sentence(_spoken(words), str(path.relative_to(ROOT)), group)


def _of_configuration() -> Iterator[Sentence]:
    """The causes of endings.json, and what the schedulers' files say of ends."""
    folder = ROOT / "config"
    endings = json.loads((folder / "endings.json").read_text())
    for cause in endings.values():
        if isinstance(cause, dict):
            yield Sentence(f"{cause['cause']}: {cause['advice']}", "config/endings.json", ENDED)
    for path in folder.rglob("*.json"):
        for words in _ends(json.loads(path.read_text())):
            yield Sentence(words, str(path.relative_to(ROOT)), ENDED)


def _ends(content: Any) -> Iterable[str]:
    """The words for the ends of jobs, wherever they stand in a file of the configuration."""
    if not isinstance(content, dict):
        return
    for key, value in content.items():
        if key == "unknown_end":
            yield value
        elif key in ("ends", "ends_of_own_templates"):
            yield from value.values()
        else:
            yield from _ends(value)


def _spoken(words: str) -> str:
    """The sentence without the name that stands before many of them."""
    return words.removeprefix("relion-dispatch: ")


def _alphabetical(words: str) -> str:
    """What a sentence is sorted by: its letters, from the first one on."""
    return re.sub(r"[^a-z ]", "", words.lower()).strip()


def _markdown(words: str) -> str:
    """The sentence as Markdown shows it unchanged, on one line."""
    one_line = re.sub("……+", "…", " ".join(words.split()))
    return re.sub(r"([\\`*_\[\]<>#|])", r"\\\1", one_line)


if __name__ == "__main__":
    PAGE.write_text(error_index(), encoding="utf-8")
