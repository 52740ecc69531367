"""``relion-dispatch site environment``: what makes RELION's window the site's."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["environment", "print_refreshed"]


def environment(
    language: Annotated[
        str | None,
        typer.Option(
            "--print",
            metavar="sh|csh|lua|tcl",
            show_default=False,
            help="Print them for that shell, or for a module of your own, and write nothing.",
        ),
    ] = None,
) -> int:
    """Write the variables that make RELION's window the site's.

    They follow from site.json: the fields that RELION's window has beside its own, and what its own
    fields show at first. The installation's files for shells and modules read what is written, so
    users get it with their next login or `module load`. An install, 'site init' and 'site import'
    do this by themselves; after you have changed site.json, run it.
    """
    from ..config.configuration import load_configuration
    from ..config.json_files import nearest
    from ..errors import InputError
    from ..planning.window_variables import window_variables
    from ..printable import printable
    from ..site.window.files import folder, write
    from ..site.window.shells import LANGUAGES
    from ..units import count

    if language is not None and language not in LANGUAGES:
        raise InputError(
            f'There is no "{language}" for --print: give one of {", ".join(LANGUAGES)}'
            f"{nearest(language, list(LANGUAGES))}"
        )
    configuration = load_configuration()
    variables = window_variables(configuration)
    if language:
        print(LANGUAGES[language](variables), end="")
        return 0
    written = [*write(variables)]
    for path in written:
        print(f"made: {path}")
    if not written:
        print(f"unchanged: {folder()}")
    offered = configuration.site.window.offered
    names = f": {', '.join(offered)}" if offered else ""
    print(f"RELION's window gets {count(len(offered), 'field')} beside its own{names}")
    print("its own begin with what these variables say, unless a user has set them:")
    for name, value in variables.defaults.items():
        print(f"  {name}={printable(value)}")
    return 0


def print_refreshed() -> None:
    """Write them anew where they are read, and say so; what stands in the way is told by itself."""
    from ..errors import DispatchError
    from ..site.window.files import refresh

    try:
        for path in refresh():
            print(f"made: {path}", flush=True)
    except DispatchError as error:
        print(f"not made: what users load for RELION's window: {error}", flush=True)
