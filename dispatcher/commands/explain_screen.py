"""An explanation on the screen: a title and its text beside each other, words that changed marked.

What was taken out of a command stands in ``-[…]``, and what was put in in ``+[…]``; on a terminal
both have colours as well.
"""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

from ..explanation.explain import Explanation
from ..explanation.lines import Line, Mark
from ..explanation.sections import sections
from ..printable import printable

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["IN_A_PIPE", "screen"]

IN_A_PIPE = 100  # columns
_TITLES = 11  # columns, whether or not there is something to say of the longest
_STYLES: dict[Mark, str] = {
    "": "",
    "strong": "bold",
    "removed": "red",
    "added": "green",
    "good": "bold green",
    "bad": "bold red",
}
_SIGNS: dict[Mark, tuple[str, str]] = {"removed": ("-[", "]"), "added": ("+[", "]")}


def screen(found: Explanation, columns: int, *, colours: bool) -> str:
    """The explanation on so many columns. No text of others acts on a terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    heading = Text(printable(f"{found.job.name} of {found.job.project}"), style="bold")
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, min_width=_TITLES, style="cyan")
    table.add_column(overflow="fold")
    for section in sections(found):
        for number, line in enumerate(section.lines):
            table.add_row(section.title if number == 0 else "", _text(line))
    # A terminal that knows no colours, and NO_COLOR, rich sees by itself.
    console = Console(
        file=StringIO(),
        width=columns,
        force_terminal=colours,
        color_system="auto" if colours else None,
    )
    with console.capture() as printed:
        console.print(heading, "", table, sep="\n")
    return "\n".join(line.rstrip() for line in printed.get().splitlines())


def _text(line: Line) -> Text:
    from rich.text import Text

    text = Text()
    for piece in line:
        before, after = _SIGNS.get(piece.mark, ("", ""))
        shown = printable(" ".join(piece.text.splitlines()))
        text.append(f"{before}{shown}{after}", style=_STYLES[piece.mark])
    return text
