"""The table of docs/gpu.md: ranks per GPU by box size and card, both models side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..config.gpu_constants import HARDWARE, HardwareConstants
from ..memory.card import Card
from ..relion.command import parse_command
from .asked import NO_FILES, REFINE3D, Asked, sized
from .fit import answer

__all__ = ["BOXES", "CARDS", "markdown"]

BOXES = (128, 200, 256, 320, 400, 512, 640, 800)
CARDS = (16, 24, 32, 40, 48, 80, 141)  # GiB, sold as GB

JOBS = {
    "Refine3D, `--pad 2`": REFINE3D,
    "Refine3D, `--pad 1`": REFINE3D.replace("--pad 2", "--pad 1"),
    "Class3D, 4 classes, `--pad 2`": (
        "relion_refine --K 4 --ref reference.mrc --pad 2 --zero_mask --oversampling 1 "
        "--healpix_order 2 --offset_range 5 --offset_step 2 --sym C1"
    ),
    "Class2D, 100 classes, `--pad 2`": (
        "relion_refine --K 100 --pad 2 --zero_mask --oversampling 1 --psi_step 12 "
        "--offset_range 5 --offset_step 2"
    ),
}


def markdown(threads: int = 4, hardware: HardwareConstants = HARDWARE) -> str:
    """Tables in Markdown of what memory allows; each cell is ``relion / fmi`` ranks per GPU,
    ``(1)`` if RELION can run, but with less working memory than recommended.

    For a version of RELION that is not known, with MPS and ``threads`` per rank; caps and cores
    do not count.
    """
    head = " | ".join(["box", *(f"{card} GiB" for card in CARDS)])
    rule = "|".join(["---:"] * (len(CARDS) + 1))
    parts = []
    for title, command in JOBS.items():
        lines = [f"**{title}**, {threads} threads per rank", "", f"| {head} |", f"|{rule}|"]
        lines += [f"| {' | '.join(row)} |" for row in _rows(command, threads, hardware)]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _rows(command: str, threads: int, hardware: HardwareConstants) -> Iterator[list[str]]:
    """For each box its size, and then a cell for each card."""
    refinement = sized(Asked(parse_command(command), NO_FILES), BOXES[0]).refinement
    for box in BOXES:
        card = Card(None, replace(refinement, box=box, image_box=box), mps=True, hardware=hardware)
        yield [str(box), *(_cell(card._replace(gpu_bytes=gb << 30), threads) for gb in CARDS)]


def _cell(card: Card, threads: int) -> str:
    ours, theirs = answer(card, threads), answer(card._replace(memory_model="fmi"), threads)
    count = f"({ours.ranks_per_gpu})" if ours.small_pool else f"{ours.ranks_per_gpu}"
    return f"{count} / {theirs.ranks_per_gpu}"
