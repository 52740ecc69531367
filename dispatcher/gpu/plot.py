"""A picture of ranks per GPU against box size, one line per card. Drawn with pillow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import ConfigError, WriteError

__all__ = ["draw"]

SCALE = 2  # drawn larger, then reduced: smooth lines
WIDTH, HEIGHT = 1100, 700
LEFT, TOP, RIGHT, BOTTOM = 80, 70, 130, 80  # margins
COLOURS = ("#4477aa", "#66ccee", "#228833", "#ccbb44", "#ee6677", "#aa3377", "#555555")
MOST = 12  # ranks; nobody wants more on one card
APART = 3  # pixels between lines that would cover each other


def needs_pillow() -> Any:
    """Pillow's package.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import PIL.Image
        import PIL.ImageDraw
        import PIL.ImageFont
    except ImportError as error:
        raise ConfigError(
            "--plot needs the library pillow, which is not installed here: install the extra "
            "'plot' of relion-dispatch (pip install pillow==12.0.0 in its Python environment)."
        ) from error
    return PIL


def draw(
    path: Path,
    title: str,
    boxes: Sequence[int],
    ranks: Mapping[str, Sequence[int]],
) -> None:
    """Write the picture to ``path``: for each card's name, its ranks at each box size.

    Raises:
        ConfigError: pillow is not installed, or does not know the file's ending.
        WriteError: the file cannot be written.
    """
    pillow = needs_pillow()
    image = pillow.Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), "white")
    canvas = pillow.ImageDraw.Draw(image)
    fonts = {size: pillow.ImageFont.load_default(size * SCALE) for size in (14, 19)}
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def place(box: float, count: float) -> tuple[float, float]:
        across = (box - boxes[0]) / (boxes[-1] - boxes[0])
        return LEFT + across * (right - LEFT), bottom - count / MOST * (bottom - TOP)

    def line(points: Sequence[tuple[float, float]], colour: str, width: float) -> None:
        scaled = [(x * SCALE, y * SCALE) for x, y in points]
        canvas.line(scaled, fill=colour, width=round(width * SCALE), joint="curve")

    def text(x: float, y: float, words: str, anchor: str, colour: str = "#222222") -> None:
        at = (x * SCALE, y * SCALE)
        canvas.text(at, words, fill=colour, font=fonts[14], anchor=anchor)

    canvas.text((LEFT * SCALE, 12 * SCALE), title, fill="#222222", font=fonts[19])
    for count in range(MOST + 1):
        _, y = place(boxes[0], count)
        line([(LEFT, y), (right, y)], "#dddddd" if count else "#222222", 1)
        text(LEFT - 10, y, f"{count}{' or more' if count == MOST else ''}", "rm")
    for box in range(-(-boxes[0] // 100) * 100, boxes[-1] + 1, 100):
        x, _ = place(box, 0)
        line([(x, bottom), (x, bottom + 6)], "#222222", 1)
        text(x, bottom + 12, str(box), "ma")
    text((LEFT + right) / 2, HEIGHT - 26, "box size (pixels)", "mm")
    text(LEFT - 60, TOP - 24, "ranks per GPU", "lm")
    for number, (card, counts) in enumerate(ranks.items()):
        colour = COLOURS[number % len(COLOURS)]
        shift = ((len(ranks) - 1) / 2 - number) * APART
        points: list[tuple[float, float]] = []
        for box, count in zip(boxes, counts, strict=True):
            x, y = place(box, min(count, MOST))
            points += [(x, points[-1][1])] if points else []
            points.append((x, y + shift))
        line(points, colour, 2.5)
        y = TOP + 12 + 24 * number
        line([(right + 20, y), (right + 44, y)], colour, 3)
        text(right + 52, y, card, "lm")
    reduced = image.resize((WIDTH, HEIGHT), pillow.Image.Resampling.LANCZOS)
    try:
        reduced.save(path)
    except ValueError as error:
        raise ConfigError(f"The picture {path} needs the ending .png.") from error
    except OSError as error:
        raise WriteError(
            f"The picture {path} cannot be written ({error.strerror}): choose another place."
        ) from error
