"""A sub-command is a module of its own in ``commands``, and two lines in ``cli.py``."""

from __future__ import annotations

from pathlib import Path

from typer import Typer

from dispatcher import cli, commands

# Of sub-commands.
HELPERS = {
    "coloured",
    "doctor_lines",
    "explain_screen",
    "job_card",
    "job_notes",
    "job_rows",
    "job_screen",
    "pin_move",
    "pin_table",
    "report_text",
    "text_table",
}


def modules(app: Typer) -> set[str]:
    """The modules that an app's commands are from: "check", "images.add"."""
    found = {str(each.callback and each.callback.__module__) for each in app.registered_commands}
    for group in app.registered_groups:
        assert group.typer_instance
        found |= modules(group.typer_instance)
    return {name.removeprefix(f"{commands.__name__}.") for name in found}


def test_each_module_of_commands_is_offered_and_nothing_is_from_elsewhere() -> None:
    folder = Path(str(commands.__file__)).parent
    rooms = {path.stem for path in folder.glob("*.py")} - {"__init__"} - HELPERS
    groups = {path.parent.name for path in folder.glob("*/__init__.py")}

    assert {name.partition(".")[0] for name in modules(cli.app)} == rooms | groups
