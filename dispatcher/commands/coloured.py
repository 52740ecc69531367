"""Lines with colours, on a terminal that has any; plain lines anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from io import StringIO
from typing import TYPE_CHECKING

from ..host.shown_streams import to_terminal
from ..printable import printable

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["print_lines"]

_CLEARED = "\x1b[H\x1b[2J"


def print_lines(lines: Iterable[Text], *, cleared: bool = False) -> None:
    """Print lines as a terminal may show them (printable.py); it may be `cleared` first.

    Colours are rich's: none if NO_COLOR is set, or if the terminal has none.
    """
    if not sys.stdout.isatty():
        for line in lines:
            print(line.plain)
        return
    from rich.console import Console

    console = Console(file=StringIO(), force_terminal=True, highlight=False, legacy_windows=False)
    with console.capture() as captured:
        for line in lines:
            console.print(line if line.plain.isprintable() else _harmless(line), soft_wrap=True)
    to_terminal((_CLEARED if cleared else "") + captured.get(), sys.stdout)


def _harmless(line: Text) -> Text:
    """The line without colours, whose places are others once characters have become escapes."""
    from rich.text import Text

    return Text(printable(line.plain))
