"""The picture in docs/architecture.md shows the rooms as they are."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from docs.making.rooms_picture import PICTURE, rooms_picture

ROOT = Path(__file__).parents[3]


def test_the_picture_is_up_to_date() -> None:
    assert PICTURE.read_text(encoding="utf-8") == rooms_picture(), "run docs/update.sh"


def test_each_room_of_the_contract_has_a_box_and_no_arrow_points_up() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    layers = tools["importlinter"]["contracts"][0]["layers"]
    picture = rooms_picture()

    boxes = re.findall(r"<text [^>]*>(\w+)</text>", picture)
    assert sorted(boxes) == sorted(room for layer in layers for room in layer.split(" | "))
    arrows = re.findall(r'<path d="M\d+ (\d+) V\d+ C.* (\d+)"/>', picture)
    assert len(arrows) >= len(boxes) - 1
    assert all(int(start) < int(end) for start, end in arrows)
