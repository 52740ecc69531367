"""A refinement's references, as far as they decide its memory."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from .sampling import Search

__all__ = ["Refinement"]


@dataclass(frozen=True)
class Refinement:
    """The references of a refinement, as far as they decide its memory.

    ``box`` and ``current_size`` in pixels; ``source`` says where the box was found.
    ``current_size`` is the full box (0 means that): the last iteration of an auto-refinement uses
    it (ml_optimiser.cpp:5703, 5.0.1), and any other run comes near it as its resolution improves,
    which nobody knows before. ``image_box``: the largest of all optics groups, 0 for ``box``.
    ``dimensions`` (2 or 3) of the references, ``data_dimensions`` of the images. ``padding``:
    RELION's padding factor; with ``asymmetric_padding``, a hidden option, what is summed up has a
    padding larger by 1. ``gradient``: VDAM, with two pseudo half sets per class;
    ``split_gradient``: the same with split half sets, under MPI. ``tilts``: images of a particle
    that is a 2D stack of a tilt series, else 1; ``sections`` of that stack's file.
    ``body_overlaps``: the projectors that overlapping bodies need beside their own;
    ``overlaps_assumed``: each with each, as their masks could not be compared.
    ``search``: the poses tried per particle, none if they are not known.
    ``zero_mask``: the images' solvent is set to zero, not to noise. ``skips_alignment``: RELION
    leaves the GPU alone (5.0) or refuses to run with one (before). ``blush``: RELION 5's
    regularisation, a process of its own on the GPU.
    """

    box: int
    source: str
    dimensions: int = 3
    data_dimensions: int = 2
    classes: int = 1
    bodies: int = 1
    padding: float = 2
    asymmetric_padding: bool = False
    gradient: bool = False
    split_gradient: bool = False
    auto_refine: bool = False
    current_size: int = 0
    image_box: int = 0
    tilts: int = 1
    sections: int = 1
    body_overlaps: int = 0
    overlaps_assumed: bool = False
    search: Search = field(default_factory=Search)
    zero_mask: bool = True
    skips_alignment: bool = False
    blush: bool = False

    def at_resolution(self, part: float) -> Refinement | None:
        """The same up to that part of Nyquist's frequency; None if RELION uses the full box anyway.

        Classifications and VDAM take into account what is at most a quarter of the box beyond the
        resolution that they have reached (``updateImageSizeAndResolutionPointers``,
        ml_optimiser.cpp:5688, 5.0.1). The last iteration of an auto-refinement uses the full box.
        """
        size = 2 * (int(part * self.box / 2) + max(10, self.box // 8))
        if self.auto_refine or self.bodies > 1 or size >= self.box:
            return None
        return replace(self, current_size=size)

    @property
    def pixels(self) -> int:
        """Pixels (voxels) of the file of one particle, the largest of all optics groups."""
        side: int = max(self.box, self.image_box)
        return int(side**self.data_dimensions) * self.sections

    @property
    def subtomograms(self) -> bool:
        """Whether a particle is a volume, or several images."""
        return self.data_dimensions == 3 or self.sections > 1
