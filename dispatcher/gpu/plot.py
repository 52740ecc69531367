"""A picture of ranks per GPU against box size, one bar per card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError, WriteError
from ..units import gibibytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw", "stretches"]

MOST = 12  # ranks; nobody wants more on one card
LETTER = 10  # pixels of box size that a letter takes in its bar
MARK = "#b3261e"


def draw(
    path: Path,
    title: str,
    boxes: Sequence[int],
    ranks: Mapping[int, Sequence[int]],
    box: int,
    card: int | None = None,
) -> None:
    """Write the picture to ``path``: for each card, named by its bytes, the ranks at each of the
    box sizes in pixels. The ``box`` that was asked about is marked, and so is the ``card``.

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
    figure = Figure(figsize=(11, 1.9 + 0.5 * len(ranks)), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title("How many ranks share a GPU", fontsize=15, loc="left", pad=36)
    axes.annotate(title, (0, 1), (0, 18), "axes fraction", "offset points", fontsize=11)
    axes.set_xlabel("box size (pixels)")
    axes.set_ylabel("GPU memory")
    axes.set_xlim(boxes[0], boxes[-1])
    axes.set_xticks(range(-(-boxes[0] // 100) * 100, boxes[-1] + 1, 100))
    axes.set_yticks(range(len(ranks)), [gibibytes(each).replace(".0 ", " ") for each in ranks])
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    for row, (memory, counts) in enumerate(ranks.items()):
        _bar(axes, row, boxes, counts)
        if memory == card:
            axes.get_yticklabels()[row].set_fontweight("bold")
    if boxes[0] <= box <= boxes[-1]:
        axes.axvline(box, color=MARK, linestyle="--", linewidth=1.8)
        late = box > boxes[-1] - 100  # then there is no room right of the line
        axes.annotate(
            f"{box} pixels", (box, len(ranks) - 0.5), (-4 if late else 4, 2),
            textcoords="offset points", ha="right" if late else "left", color=MARK,
        )  # fmt: skip
    try:
        figure.savefig(path, dpi=100)
    except ValueError as error:
        raise ConfigError(f"The picture {path} needs the ending .png, .svg or .pdf.") from error
    except OSError as error:
        raise WriteError(
            f"The picture {path} cannot be written ({error.strerror}): choose another file."
        ) from error


def stretches(boxes: Sequence[int], counts: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """(first box, the box where another number begins, ranks); more than ``MOST`` are as many."""
    start, held = boxes[0], min(counts[0], MOST)
    for box, count in zip(boxes, counts, strict=True):
        if min(count, MOST) != held:
            yield start, box, held
            start, held = box, min(count, MOST)
    yield start, boxes[-1], held


def _bar(axes: Axes, row: int, boxes: Sequence[int], counts: Sequence[int]) -> None:
    """Draw a card's bar: darker with more ranks, with their number wherever there is room."""
    from matplotlib import colormaps

    for start, end, count in stretches(boxes, counts):
        colour = colormaps["Blues"](0.15 + 0.75 * count / MOST) if count else "#eeeeee"
        axes.barh(row, end - start, 0.8, start, color=colour, edgecolor="white", linewidth=1)
        texts = [f"{MOST} or more", f"{MOST}+"] if count == MOST else [str(count)]
        for text in texts if count else ["does not fit", "0"]:
            if end - start >= LETTER * len(text):
                # In a box of the bar's colour, so that the line of the box size is behind it.
                axes.text(
                    (start + end) / 2, row, text, ha="center", va="center",
                    color="white" if count > MOST / 2 else "#222222",
                    bbox={"facecolor": colour, "edgecolor": "none", "pad": 0.5},
                )  # fmt: skip
                break
