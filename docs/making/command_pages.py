"""A page for each command of ``relion-dispatch``, made from the command line's own help."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

from typer.main import get_command

from dispatcher.cli import app

__all__ = ["command_file", "command_pages"]

PROGRAM = "relion-dispatch"


def command_pages() -> dict[str, str]:
    """The pages' Markdown by the command's name ("images add"); "" is the program itself."""
    return {name: _page(name, command) for name, command in _commands("", get_command(app))}


def _commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """The command, then what is below it, in the order of the help."""
    yield name, command
    for each, below in getattr(command, "commands", {}).items():
        yield from _commands(f"{name} {each}".strip(), below)


def _page(name: str, command: Any) -> str:
    title = f"{PROGRAM} {name}".strip()
    context = command.context_class(command, info_name=title)
    usage = " ".join([title, *command.collect_usage_pieces(context)])
    records = [each.get_help_record(context) for each in command.get_params(context)]
    terms = [(f"`{_cell(term)}`", meaning) for term, meaning in filter(None, records)]
    below = [
        (f"[{title} {each}]({command_file(f'{name} {each}'.strip())})", sub.get_short_help_str(200))
        for each, sub in getattr(command, "commands", {}).items()
    ]
    parts = [
        f"# {title}",
        f"```text\n{usage}\n```",
        inspect.cleandoc(command.help or "").replace("<", "&lt;"),
        _table("option or argument", terms),
        _table("command", below),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def command_file(name: str) -> str:
    """The page of a command, below commands/."""
    return f"{name.replace(' ', '-') or 'index'}.md"


def _table(first: str, rows: Sequence[tuple[str, str]]) -> str:
    lines = [f"| {left} | {_cell(right).replace('<', '&lt;')} |" for left, right in rows]
    return "\n".join([f"| {first} | meaning |", "|---|---|", *lines]) if rows else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
