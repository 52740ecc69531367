"""A picture of ranks per GPU against box size, one line per card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import ConfigError, WriteError

__all__ = ["draw"]

MOST = 12  # ranks; nobody wants more on one card
APART = 0.07  # ranks between lines that would hide each other
# Dark to light as cards grow, and told apart by people who see few colours too.
COLOURS = ("#000000", "#332288", "#4477aa", "#44aa99", "#999933", "#ddaa33", "#ee6677", "#aa3377")


def draw(path: Path, title: str, boxes: Sequence[int], ranks: Mapping[str, Sequence[int]]) -> None:
    """Write the picture to ``path``: for each card's name, its ranks at each box size in pixels.

    Raises:
        ConfigError: matplotlib is not installed, or does not know the file's ending.
        WriteError: the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError(
            "--plot needs the library matplotlib, which is not installed here: run `pip install "
            "--require-hashes -r deploy/requirements.txt` in relion-dispatch's Python environment."
        ) from error
    figure = Figure(figsize=(11, 7), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title)
    axes.set_xlabel("box size (pixels)")
    axes.set_ylabel("ranks per GPU (equal numbers are drawn side by side)")
    axes.set_xlim(boxes[0], boxes[-1])
    axes.set_ylim(-0.5, MOST + 0.5)
    axes.set_xticks(range(-(-boxes[0] // 100) * 100, boxes[-1] + 1, 100))
    axes.set_yticks(range(MOST + 1), [*map(str, range(MOST)), f"{MOST} or more"])
    axes.grid(alpha=0.3)
    for number, (card, counts) in enumerate(ranks.items()):
        shift = (number - (len(ranks) - 1) / 2) * APART
        heights = [min(count, MOST) + shift for count in counts]
        colour = COLOURS[number % len(COLOURS)]
        axes.step(boxes, heights, where="post", color=colour, linewidth=1.8, label=card)
    axes.legend(title="GPU memory", reverse=True, loc="upper right")
    try:
        figure.savefig(path, dpi=100)
    except ValueError as error:
        raise ConfigError(f"The picture {path} needs the ending .png, .svg or .pdf.") from error
    except OSError as error:
        raise WriteError(
            f"The picture {path} cannot be written ({error.strerror}): choose another file."
        ) from error
