"""The table of docs/gpu.md: ranks per GPU by box size and card, both models side by side."""

from __future__ import annotations

from dataclasses import replace

from ..config.gpu_constants import HARDWARE, HardwareConstants
from .fit import Question, answer, refinement

__all__ = ["BOXES", "CARDS", "markdown"]

BOXES = (128, 200, 256, 320, 400, 512, 640, 800)
CARDS = (16, 24, 32, 40, 48, 80, 141)  # GB as they are sold: 2^30 bytes

JOBS = (
    ("Refine3D, `--pad 2`", {"auto_refine": True, "finest_order": 3}),
    ("Refine3D, `--pad 1`", {"auto_refine": True, "finest_order": 3, "padding": 1}),
    ("Class3D, 4 classes, `--pad 2`", {"classes": 4}),
    ("Class2D, 100 classes, `--pad 2`", {"classes": 100, "dimensions": 2, "psi_step": 12}),
)


def markdown(threads: int = 4, hardware: HardwareConstants = HARDWARE) -> str:
    """Tables in Markdown of what memory allows; each cell is ``relion / fmi`` ranks per GPU,
    ``(1)`` where RELION may run, but with a smaller pool than it likes.

    A version of RELION that is not known, with MPS, ``threads`` per rank; no cap, no core counted.
    """
    head = " | ".join(["box", *(f"{card} GB" for card in CARDS)])
    rule = "|".join(["---:"] * (len(CARDS) + 1))
    parts = []
    for title, options in JOBS:
        lines = [f"**{title}**, {threads} threads per rank", "", f"| {head} |", f"|{rule}|"]
        for box in BOXES:
            asked = refinement(box, **options)  # type: ignore[arg-type]
            cells = [str(box)]
            for card in CARDS:
                question = Question(
                    refinement=asked, gpu_bytes=card * 2**30, threads=threads, hardware=hardware
                )
                ours, theirs = answer(question), answer(replace(question, model="fmi"))
                count = f"({ours.ranks_per_gpu})" if ours.small_pool else f"{ours.ranks_per_gpu}"
                cells.append(f"{count} / {theirs.ranks_per_gpu}")
            lines.append(f"| {' | '.join(cells)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"
