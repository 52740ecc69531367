"""What the input files of a refinement say about their images: box size and dimensions.

Particle STAR files of RELION 3.1 and newer have an optics table; older ones lead to the header
of their first stack. References may be a map, a stack or a STAR file of maps.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import InputError
from ..relion import star
from ..relion.file_names import file_name, files_opened, image_kind, is_star, title
from ..units import real_number
from ..units import whole_number as read_whole_number
from .image_header import image_header
from .particle_tables import particle_tables

__all__ = [
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

LARGEST = 1e9  # of pixels, degrees, Å and numbers of poses


@dataclass(frozen=True)
class Images:
    """Particles or references: ``box`` in pixels, where it was found, 2D or 3D, how many.

    What the files do not say is 0 or ''. ``tomo_stacks``: RELION 5's tomography, 2D
    stacks of a tilt series that are refined against a volume. ``largest``: the largest box of all
    optics groups. ``pixel_size``: Å. ``unread``: the file that has the box and cannot be read here,
    as words of a sentence.
    """

    box: int = 0
    source: str = ""
    dimensions: int = 0
    count: int = 0
    tomo_stacks: bool = False
    largest: int = 0
    pixel_size: float = 0
    unread: str = ""


def particle_images(name: str, project: Path, relion: tuple[int, int] | None = None) -> Images:
    """The images of ``--i``: a particle STAR file or an image stack, relative to ``project``.

    ``relion`` is the RELION that will run, None for the newest.

    The first optics group counts: RELION refuses references of another box or pixel size unless
    ``--trust_ref_size`` is given (:mod:`.read_refinement` has what happens then), and brings images
    of other groups to the scale of the first in Fourier space, one by one.
    ``count`` stays 0: only the first particle is read. Raises InputError when the file or its
    first stack is missing or damaged, when it has no particles or no images, or when RELION would
    not take it.
    """
    if not is_star(name):
        return _from_header(name, project, relion)
    path = project / file_name(name).path
    particles, optics, general = particle_tables(path)
    if not particles.rows:
        raise InputError(
            f"{path} holds no particles; choose another input, or repeat the job that "
            "selected the particles."
        )
    image = particles.first("_rlnImageName") or ""
    image_kind(image, relion)  # raises if RELION takes no image of that name
    tomo_stacks = general is not None and is_true(general.first("_rlnTomoSubTomosAre2DStacks"))
    if optics is None:
        return _from_header(image, project, relion)
    stated = optics.first("_rlnImageDimensionality")
    dimensions = whole_number(stated or "2", f"_rlnImageDimensionality in {name}", (2, 3))
    size = optics.first("_rlnImageSize")
    if not size:
        raise InputError(
            f"{path} has no _rlnImageSize in its table data_optics, without which RELION stops; "
            "extract the particles again."
        )
    box = whole_number(size, f"_rlnImageSize in {name}")
    group = optics.first("_rlnOpticsGroup") or "1"
    source = f"{name}, optics group {group}"
    sizes = optics.column("_rlnImageSize")
    largest = max(whole_number(each, f"_rlnImageSize in {name}") for each in sizes)
    pixel_size = number(optics.first("_rlnImagePixelSize") or "0", "_rlnImagePixelSize")
    return Images(box, source, dimensions, 0, tomo_stacks, largest, pixel_size)


def _from_header(name: str, project: Path, relion: tuple[int, int] | None) -> Images:
    """The box of an image by its name in RELION's form (``7@a.mrc:mrcs``), from its file."""
    kind = image_kind(name, relion)
    path = file_name(name).path
    if kind in ("stack", "map"):
        header = image_header(project / path)
        volume = kind == "map" and header.nz > 1
        return Images(header.nx, f"{path}, MRC header", 3 if volume else 2)
    for file in files_opened(file_name(name)):
        if not os.access(project / file, os.F_OK):  # exists() raises for names that are too long
            opened = "" if file == path else f", and RELION opens this file as well for {name}"
            raise InputError(
                f"{project / file} does not exist{opened}; check that the image files were not "
                "moved, renamed or deleted."
            )
    return Images(dimensions=2, unread=f"{path}, {title(kind)}")


def reference_images(name: str, project: Path, relion: tuple[int, int] | None = None) -> Images:
    """The references of ``--ref``; an unreadable map counts as 3D, for RELION will report it.

    ``relion`` is the RELION that will run, None for the newest.

    ``count`` is 0 unless ``name`` is a STAR file of references, which overrides ``--K``: its
    table ``model_classes``, else its first (``MlModel::initialiseFromImages``, ml_model.cpp, 3.1 to
    5.0). Raises InputError when the STAR file has none, or when RELION would not take a name.
    """
    if not name:
        return Images()
    count = 0
    if is_star(name):
        path = project / file_name(name).path
        maps = _counted(star.column(path, "_rlnReferenceImage", "model_classes"))
        maps = maps or _counted(star.column(path, "_rlnReferenceImage"))
        if maps is None:
            raise InputError(
                f"{path} names no references: RELION looks for _rlnReferenceImage in the table "
                "data_model_classes, else in the first table; choose another reference."
            )
        name, count = maps
    kind = image_kind(name, relion)
    flat = kind in ("stack", "TIFF", "Imagic") or file_name(name).number is not None
    try:
        found = _from_header(name, project, relion)
    except InputError:
        return Images(dimensions=2 if flat else 3, count=count)
    return replace(found, dimensions=found.dimensions if found.box or flat else 3, count=count)


def _counted(values: Iterator[str]) -> tuple[str, int] | None:
    """The first value, and how many there are; None without any."""
    first = next(values, None)
    return None if first is None else (first, 1 + sum(1 for _ in values))


def particles_of_tomo_set(name: str, project: Path) -> str:
    """The particle file that an optimisation set (``--ios``) names. InputError if none."""
    for block in star.read_blocks(project / file_name(name).path, rows=1):
        if particles := block.first("_rlnTomoParticlesFile"):
            return particles
    raise InputError(
        f"{project / name} names no particles (_rlnTomoParticlesFile); choose an optimisation set "
        "that names particles, or give --i."
    )


def body_masks(name: str, project: Path) -> list[Path]:
    """The masks that the first table of a STAR file of bodies names, in order (as RELION reads it:
    ``MlModel::initialiseBodies``, ml_model.cpp, 3.1 to 5.0). InputError if it names none."""
    path = project / file_name(name).path
    bodies = star.first_block(path)
    if bodies and (masks := bodies.column("_rlnBodyMaskName")):
        return [project / file_name(mask).path for mask in masks]
    raise InputError(
        f"{path} lists no bodies (_rlnBodyMaskName) in its first table; give the table one row for "
        "each body mask."
    )


def body_angles(name: str, project: Path) -> list[float]:
    """Standard deviation in degrees of each body's angular search; empty if the file has none."""
    bodies = star.first_block(project / file_name(name).path)
    angles = bodies.column("_rlnBodySigmaAngles") if bodies else ()
    return [number(angle, f"_rlnBodySigmaAngles in {name}") for angle in angles]


def is_true(text: str | None) -> bool:
    """RELION's booleans in STAR files: '1' -> True."""
    return (text or "").lower() in ("1", "true", "yes")


def number(text: str, where: str, least: float = -LARGEST) -> float:
    """``text`` as a number from ``least`` to a thousand million; InputError naming ``where`` the
    text is, for any other."""
    value = real_number(text)
    if value is None:
        raise InputError(
            f"{where} is '{_short(text)}', which is infinite or not as a whole a "
            "number; write the number in the digits 0 to 9."
        )
    if not least <= value <= LARGEST:
        raise InputError(
            f"{where} is '{_short(text)}', which is not from {least:g} to {LARGEST:g}; correct the "
            "value."
        )
    return value


def whole_number(text: str, where: str, allowed: tuple[int, int] = (1, 10**6)) -> int:
    """``text`` as a whole number between two bounds, both allowed; InputError otherwise."""
    value = read_whole_number(text)
    low, high = allowed
    if value is None or not low <= value <= high:
        raise InputError(
            f"{where} is '{_short(text)}', which is not a whole number from {low} to {high}; write "
            "such a number in the digits 0 to 9."
        )
    return value


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}…"
