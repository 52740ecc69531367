"""What the input files of a refinement say about their images: box size and dimensions.

Particle STAR files of RELION 3.1 and newer have an optics table; older ones lead to the header
of their first stack. References may be a map, a stack or a STAR file of maps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..relion import star
from .image_header import image_header

__all__ = [
    "MRC_ENDINGS",
    "Images",
    "body_angles",
    "body_masks",
    "is_true",
    "number",
    "particle_images",
    "particles_of_tomo_set",
    "reference_images",
    "whole_number",
]

MRC_ENDINGS = (".mrcs", ".mrc", ".st")


@dataclass(frozen=True)
class Images:
    """Particles or references: ``box`` in pixels, where it was found, 2D or 3D, how many.

    What the files do not say is 0 or ''. ``tomo_stacks``: RELION 5's tomography, 2D
    stacks of a tilt series that are refined against a volume. ``largest``: the largest box of all
    optics groups. ``pixel_size``: Å.
    """

    box: int = 0
    source: str = ""
    dimensions: int = 0
    count: int = 0
    tomo_stacks: bool = False
    largest: int = 0
    pixel_size: float = 0


def particle_images(name: str, project: Path) -> Images:
    """The images of ``--i``: a particle STAR file or an image stack, relative to ``project``.

    The first optics group counts: references of another box or pixel size are refused by RELION,
    or with ``--trust_ref_size`` cut to that of the first group (ml_model.cpp:1041, 5.0.1), and
    images of other groups are brought to its scale in Fourier space, one by one.
    ``count`` stays 0: only the first particle is read. Raises InputError when the file or its
    first stack is missing or damaged, or when it has no particles or no images.
    """
    if name.endswith(MRC_ENDINGS):
        return Images(image_header(project / name).nx, f"{name}, MRC header", 2)
    optics = particles = None
    tomo_stacks = False
    for block in star.read_blocks(project / name, rows=1, whole=("optics",)):
        if block.name == "optics":
            optics = block
        elif block.name in ("particles", "images") or "_rlnImageName" in block.labels:
            particles = block
            break
        tomo_stacks = tomo_stacks or is_true(block.first("_rlnTomoSubTomosAre2DStacks"))
    if particles is None or not particles.rows:
        raise InputError(
            f"{project / name} holds no particles; choose another input, or repeat the job that "
            "selected the particles."
        )
    dimensions = 0
    if optics:
        stated = optics.first("_rlnImageDimensionality")
        dimensions = whole_number(stated or "2", f"_rlnImageDimensionality in {name}", (2, 3))
        if size := optics.first("_rlnImageSize"):
            box = whole_number(size, f"_rlnImageSize in {name}")
            group = optics.first("_rlnOpticsGroup") or "1"
            source = f"{name}, optics group {group}"
            sizes = optics.column("_rlnImageSize")
            largest = max(whole_number(each, f"_rlnImageSize in {name}") for each in sizes)
            pixel_size = number(optics.first("_rlnImagePixelSize") or "0", "_rlnImagePixelSize")
            return Images(box, source, dimensions, 0, tomo_stacks, largest, pixel_size)
    image = particles.first("_rlnImageName")
    if not image:
        raise InputError(
            f"{project / name} names no images (_rlnImageName); extract the particles first."
        )
    stack = image.rpartition("@")[2]
    if not stack.endswith(MRC_ENDINGS):
        return Images(dimensions=dimensions or 2, tomo_stacks=tomo_stacks)
    header = image_header(project / stack)
    volume = "@" not in image and not stack.endswith(".mrcs") and header.nz > 1
    dimensions = dimensions or (3 if volume else 2)
    return Images(header.nx, f"{stack}, MRC header", dimensions, tomo_stacks=tomo_stacks)


def reference_images(name: str, project: Path) -> Images:
    """The references of ``--ref``; an unreadable map counts as 3D, for RELION will report it.

    ``count`` is 0 unless ``name`` is a STAR file of references, which overrides ``--K``
    (``MlModel::initialiseFromImages``, ml_model.cpp, 3.1 to 5.0).
    """
    count = 0
    if name.endswith(".star"):
        for block in star.read_blocks(project / name):
            if maps := block.column("_rlnReferenceImage"):
                name, count = maps[0], len(maps)
                break
    if not name:
        return Images()
    name = name.rpartition("@")[2]
    stack = name.endswith((".mrcs", ".st"))
    try:
        header = image_header(project / name)
    except InputError:
        return Images(dimensions=2 if stack else 3, count=count)
    dimensions = 2 if stack or header.nz == 1 else 3
    return Images(header.nx, f"{name}, MRC header", dimensions, count)


def particles_of_tomo_set(name: str, project: Path) -> str:
    """The particle file that an optimisation set (``--ios``) names. InputError if none."""
    for block in star.read_blocks(project / name, rows=1):
        if particles := block.first("_rlnTomoParticlesFile"):
            return particles
    raise InputError(
        f"{project / name} names no particles (_rlnTomoParticlesFile); choose an optimisation set "
        "that names particles, or give --i."
    )


def body_masks(name: str, project: Path) -> list[Path]:
    """The masks that a STAR file of bodies names, in order. InputError if it names none."""
    for block in star.read_blocks(project / name):
        if masks := block.column("_rlnBodyMaskName"):
            return [project / mask for mask in masks]
    raise InputError(
        f"{project / name} lists no bodies (_rlnBodyMaskName); give the file one row for each body "
        "mask."
    )


def body_angles(name: str, project: Path) -> list[float]:
    """Standard deviation in degrees of each body's angular search; empty if the file has none."""
    for block in star.read_blocks(project / name):
        if angles := block.column("_rlnBodySigmaAngles"):
            return [number(angle, f"_rlnBodySigmaAngles in {name}") for angle in angles]
    return []


def is_true(text: str | None) -> bool:
    """RELION's booleans in STAR files: '1' -> True."""
    return (text or "").lower() in ("1", "true", "yes")


def number(text: str, where: str) -> float:
    """``text`` as a finite number; InputError naming ``where`` the text is, if not a number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{where} is '{text}', which is not a number; correct the value.")
    return value


def whole_number(text: str, where: str, allowed: tuple[int, int] = (1, 10**6)) -> int:
    """``text`` as a whole number between two bounds, both allowed; InputError otherwise."""
    value = number(text, where)
    low, high = allowed
    if value != int(value) or not low <= value <= high:
        raise InputError(
            f"{where} is '{text}', which is not a whole number from {low} to {high}; correct the "
            "value."
        )
    return int(value)
