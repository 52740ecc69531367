"""``relion-dispatch relion``: RELION itself, from the project's image."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

__all__ = ["relion"]


def relion(context: typer.Context) -> int:
    """Start RELION, or another program, from the project's image.

    Jobs that it queues are dispatched on this machine. Without a program, RELION's GUI starts. Run
    it in the project's folder.
    """
    from ..config.configuration import load_configuration
    from ..images.choice import WINDOW, Needs, choose
    from ..images.integrity import verified
    from ..images.known_projects import remember
    from ..images.pin_check import check_against_pin
    from ..images.pins import PIN_FILE, pins
    from ..planning.window_variables import window_variables
    from ..session.launcher import run_session

    if context.args[:1] in (["--help"], ["-h"]):
        print(context.get_help())
        return 0
    project = Path.cwd()
    configuration = load_configuration()
    catalogue = configuration.catalogue
    program = context.args[0] if context.args else WINDOW
    needs = Needs(
        programs=(program,) if program.startswith("relion") else (),
        signed_by=tuple(configuration.site.apptainer.signed_by),
    )
    pinned, pin_file = pins(project), project / PIN_FILE
    versions = {name: pin.version for name, pin in pinned.items()}
    image = choose(catalogue, "relion", versions, needs, pin_file)
    image = check_against_pin(image, catalogue, pinned, pin_file, verified)
    if "relion" in pinned:
        remember(project, configuration.site)
    window = window_variables(configuration)
    return run_session(configuration.site, image.path, project, context.args, hook_argv(), window)


def hook_argv() -> list[str]:
    """The arguments that dispatch a script in this very Python; the script's path follows."""
    start = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); "
        "from dispatcher.hook import main; sys.exit(main(sys.argv[1:]))"
    )
    return [
        sys.executable,
        "-I",
        "-X",
        "utf8",
        "-c",
        start,
        str(Path(__file__).resolve().parents[2]),
    ]
