"""Every command and group of commands there is, for what must hold for each."""

from __future__ import annotations

import typer

from dispatcher.cli import app

__all__ = ["all_commands"]


def all_commands() -> list[list[str]]:
    """The words of all commands and groups, from the command line's own list."""
    found: list[list[str]] = []

    def walk(command: object, words: list[str]) -> None:
        found.append(words)
        for name, each in getattr(command, "commands", {}).items():
            walk(each, [*words, name])

    walk(typer.main.get_command(app), [])
    return found
