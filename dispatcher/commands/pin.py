"""``relion-dispatch pin``: which image versions a project uses."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import InputError

if TYPE_CHECKING:
    from ..config.catalogue import Catalogue

__all__ = ["pin"]


def pin(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="An image's name (relion).")
    ] = None,
    version: Annotated[
        str | None,
        typer.Argument(metavar="VERSION", help="The version that the project uses from now on."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Compare the pins with catalogue and image files.")
    ] = False,
    full: Annotated[
        bool,
        typer.Option("--full", help="With --check: compute the sha256 of every image file again."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Show the project's image versions, or move one.

    'pin NAME VERSION' moves a pin. Run it in the project's folder. With --check the exit status is
    1 if project, catalogue and files differ.
    """
    from ..config.catalogue import load_catalogue
    from ..config.json_files import nearest
    from ..config.places import config_path
    from ..host.json_text import json_text
    from ..images.pin_check import differences
    from ..images.pins import pins
    from ..jobs.history import jobs_with, read_history
    from ..relion.pipeline import project_folder
    from .pin_move import move_pin
    from .pin_table import pin_table, pin_text

    project = project_folder()
    catalogue = load_catalogue(config_path("images.json"))
    history = read_history(project)
    for why in history.unreadable:
        print(f"warning: {why}: the job of this file is not counted.", file=sys.stderr)
    if name is not None and version is not None:
        if check or full or as_json:
            raise InputError(
                "Do one thing at a time: move the pin first, then check or list the pins."
            )
        print(move_pin(project, name, version, catalogue, history))
        for warning in _warnings(project, {name: version}):
            print(f"warning: {warning}", file=sys.stderr)
        return 0
    if full and not check:
        raise InputError("--full belongs to --check: relion-dispatch pin --check --full")
    pinned = pins(project)
    if name is not None and name not in pinned:
        raise InputError(
            f"{project} has no pin for the image {name}{nearest(name, list(pinned)) or '.'} Pinned "
            f"here: {', '.join(pinned) or 'nothing'}."
        )
    shown = {each: pin for each, pin in pinned.items() if name in (None, each)}
    warnings = _warnings(project, {each: pin.version for each, pin in shown.items()})
    found = list(differences(project, shown, catalogue, full)) if check else None
    table = pin_table(shown, catalogue, history)
    if as_json:
        content: dict[str, Any] = {"project": str(project), "pins": table, "warnings": warnings}
        print(json_text(content | ({} if found is None else {"differences": found})))
        return 1 if found else 0
    print(pin_text(table) if table else _nothing_pinned(project, catalogue))
    if name is not None:
        for used in dict.fromkeys(run.version for run in history.runs if run.name == name):
            print(f"Ran with {name} {used}: {', '.join(jobs_with(history.runs, name, used))}.")
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    for difference in found or []:
        print(difference)
    if found == []:
        print("Project, catalogue and image files belong together.")
    return 1 if found else 0


def _nothing_pinned(project: Path, catalogue: Catalogue) -> str:
    defaults = ", ".join(f"{name} {image.default}" for name, image in catalogue.images.items())
    return (
        f"Nothing is pinned in {project} yet: the first job pins the site's default"
        f"{f' ({defaults})' if defaults else ''}."
    )


def _warnings(project: Path, versions: dict[str, str]) -> list[str]:
    from ..relion.pipeline import older_than_pipeline

    found = (older_than_pipeline(project, each, name) for name, each in versions.items())
    return [warning for warning in found if warning]
