"""Draws docs/rooms.svg: the rooms of the dispatcher and their arrows, for docs/architecture.md.

The rooms are those of the contract in pyproject.toml, the arrows are the real imports. A room that
imports from another both directly and through rooms between them gets no direct arrow, as the way
through the others says so already. Each room stands one row below the lowest that imports from it.

Usage: python -m docs.making.rooms_picture      (docs/update.sh calls it)
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import grimp

__all__ = ["PICTURE", "rooms_picture"]

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "rooms.svg"

WIDTH, ROW, BOX_WIDTH, BOX_HEIGHT, COLUMN = 760, 58, 116, 30, 150
STYLE = """
  rect { fill: #eef3f8; stroke: #37618f; stroke-width: 1.3 }
  text { font: 14px sans-serif; fill: #15293f; text-anchor: middle }
  path { fill: none; stroke: #6b7f94; stroke-width: 1.3; marker-end: url(#arrow) }
  marker path { fill: #6b7f94; stroke: none; marker-end: none }
"""

Arrow = tuple[str, str]
Place = tuple[int, int]


def rooms_picture() -> str:
    """The picture as SVG text."""
    imports = _imports()
    drawn = sorted(arrow for arrow in imports if not _leads(imports, arrow))
    rows = _rows(drawn)
    places = {
        room: (WIDTH // 2 + place * COLUMN // 2, ROW * row + 25)
        for row, rooms in enumerate(rows)
        for room, place in _spread(rooms, drawn, rows).items()
    }
    margin = BOX_WIDTH // 2 + 10
    left = min(0, *(x - margin for x, _ in places.values()))
    right = max(WIDTH, *(x + margin for x, _ in places.values()))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" '
            f'viewBox="{left} 0 {right - left} {ROW * len(rows)}">',
            f"<title>{len(places)} rooms, {len(imports)} imports between them</title>",
            f"<style>{STYLE}</style>",
            '<marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
            'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z"/></marker>',
            *(_line(places[room], places[other]) for room, other in drawn),
            *(_box(room, *place) for room, place in places.items()),
            "</svg>",
            "",
        ]
    )


def _rows(arrows: Sequence[Arrow]) -> list[list[str]]:
    """The rooms of the contract, row by row: as many rows down as the longest way from the top."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    layers = tools["importlinter"]["contracts"][0]["layers"]
    rooms = [room for layer in layers for room in layer.split(" | ")]
    depth = dict.fromkeys(rooms, 0)
    for room in rooms:  # those that import from it come before it
        for _, other in (arrow for arrow in arrows if arrow[0] == room):
            depth[other] = max(depth[other], depth[room] + 1)
    return [[r for r in rooms if depth[r] == row] for row in range(max(depth.values()) + 1)]


def _spread(
    row: Sequence[str], arrows: Sequence[Arrow], rows: Sequence[Sequence[str]]
) -> dict[str, int]:
    """Where in its row each room stands, in half columns from the middle.

    Rooms with short arrows stand inside, so that long arrows pass beside the rows between.
    """
    row_of = {room: at for at, rooms in enumerate(rows) for room in rooms}

    def longest(room: str) -> int:
        return max((row_of[b] - row_of[a] for a, b in arrows if a == room), default=len(rows))

    outwards = sorted(range(1 - len(row), len(row), 2), key=lambda place: (abs(place), -place))
    return dict(zip(sorted(row, key=lambda r: (longest(r), r)), outwards, strict=True))


def _imports() -> set[Arrow]:
    """(room, room that it imports from) for all rooms."""
    graph = grimp.build_graph("dispatcher", cache_dir=None)
    pairs = {
        (importer.split(".")[1], imported.split(".")[1])
        for importer in graph.modules - {"dispatcher"}
        for imported in graph.find_modules_directly_imported_by(importer) - {"dispatcher"}
    }
    return {(room, other) for room, other in pairs if room != other}


def _leads(imports: set[Arrow], arrow: Arrow) -> bool:
    """Whether a way through other rooms leads from the one end of the arrow to the other."""
    start, end = arrow
    seen: set[str] = set()
    ahead = [start]
    while ahead:
        room = ahead.pop()
        for each in {to for at, to in imports if at == room and (at, to) != arrow} - seen:
            seen.add(each)
            ahead.append(each)
    return end in seen


def _line(start: Place, end: Place) -> str:
    """An arrow: down beside the rows between, then to the room."""
    (x, y), (to_x, to_y) = start, end
    top = to_y - BOX_HEIGHT // 2
    near = to_y - ROW + BOX_HEIGHT // 2  # the lower edge of the row above
    half = (near + top) // 2
    return f'<path d="M{x} {y + BOX_HEIGHT // 2} V{near} C{x} {half} {to_x} {half} {to_x} {top}"/>'


def _box(room: str, x: int, y: int) -> str:
    left, top = x - BOX_WIDTH // 2, y - BOX_HEIGHT // 2
    return (
        f'<rect x="{left}" y="{top}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="4"/>'
        f'<text x="{x}" y="{y + 5}">{escape(room)}</text>'
    )


if __name__ == "__main__":
    PICTURE.write_text(rooms_picture(), encoding="utf-8")
