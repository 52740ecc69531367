"""A refinement's references, as far as they decide its memory."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RefinementModel"]


@dataclass(frozen=True)
class RefinementModel:
    """The references of a refinement, as far as they decide its memory.

    ``box`` and ``current_size`` in pixels; ``source`` says where the box was found.
    ``current_size`` is the full box (0 means that), which the last iteration of an
    auto-refinement uses (ml_optimiser.cpp:5703, 5.0.1) and any other may come to.
    ``dimensions`` (2 or 3) of the references, ``data_dimensions`` of the images. ``padding``:
    RELION's padding factor. ``gradient``: VDAM, with two pseudo half sets per class.
    ``body_overlaps``: ordered pairs of overlapping bodies; all pairs, for the masks are not read.
    ``coarse_samples``: poses per particle in a global search, 0 if local or unknown.
    ``zero_mask``: the images' solvent is set to zero, not to noise.
    """

    box: int
    source: str
    dimensions: int = 3
    data_dimensions: int = 2
    classes: int = 1
    bodies: int = 1
    padding: float = 2
    gradient: bool = False
    auto_refine: bool = False
    current_size: int = 0
    body_overlaps: int = 0
    coarse_samples: int = 0
    zero_mask: bool = True
