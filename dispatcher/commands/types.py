"""``relion-dispatch types``: the job types of this site."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["types"]


def types(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """List the job types: what they build on, which jobs they take, and what they ask for.

    A job is of the first type in this order that takes it. The numbers are limits, as
    dispatch_config.json and site.json have them; "as fit" is as many as fit, and "window" is what
    RELION's window says.
    """
    from ..config.configuration import load_configuration
    from ..host.json_text import json_text
    from ..site.type_table import type_rows, type_table
    from .text_table import text_table

    table = type_table(load_configuration())
    print(json_text(table) if as_json else text_table(type_rows(table)))
    return 0
