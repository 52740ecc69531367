"""About how many particles a refinement has, and which ranks will hold all their images.

A STAR file of a million particles is 300 MB, far more than a hook can read. Its rows have almost
the same length, so their number is the size of the table divided by the length of the first rows.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Literal

from ..errors import InputError
from ..relion import star
from . import input_images
from .host_memory import Particles
from .image_header import image_header
from .pose_search import Options

__all__ = ["WINDOW", "estimated_rows", "particles"]

WINDOW = 64 << 10  # bytes that are read: the optics table and some hundred particles


def particles(options: Options, project: Path) -> Particles:
    """The particles of the relion_refine command with ``options``, run in the folder ``project``.

    Particles are read in beforehand with ``--preread_images``, which makes RELION ignore a
    ``--scratch_dir`` (ml_optimiser.cpp:2608, 5.0.1); by every rank, or by the leader with
    ``--no_parallel_disc_io`` (ml_optimiser.cpp:2071). The number is 0 if no file tells it: the
    file is of no known kind, or the node expands a variable in its path.
    """
    preread: Literal["none", "every rank", "leader"] = "none"
    if "preread_images" in options:
        preread = "leader" if "no_parallel_disc_io" in options else "every rank"
    number = 0
    with contextlib.suppress(InputError, OSError):
        number = _number(options, project)
    return Particles(number, preread)


def _number(options: Options, project: Path) -> int:
    name = options.value("i") or ""
    if continued := options.value("continue"):
        state = star.read_block(project / continued, "optimiser_general", rows=1)
        name = state.first("_rlnExperimentalDataStarFile") or ""
    elif not name and (tomo_set := options.value("ios")):
        name = input_images.particles_of_tomo_set(tomo_set, project)
    if name.endswith(".star"):
        return estimated_rows(project / name)
    if name.endswith(input_images.MRC_ENDINGS):
        return image_header(project / name).nz
    return 0


def estimated_rows(path: Path) -> int:
    """Rows in the last table of the STAR file at ``path``, estimated unless the file is small.

    Raises OSError when the file cannot be read.
    """
    with open(path, "rb") as stream:
        head = stream.read(WINDOW)
        size = stream.seek(0, 2)
    lines = head.splitlines(keepends=True)
    if size > len(head):
        lines.pop()  # it is cut off
    start = 0
    for at, line in enumerate(lines):
        if line.startswith((b"data_", b"loop_", b"_")):
            start = at + 1
    rows = [line for line in lines[start:] if line.strip() and not line.startswith(b"#")]
    if size <= len(head):
        return len(rows)
    before = sum(map(len, lines[:start]))
    read = sum(map(len, rows))
    return round((size - before) * len(rows) / read) if rows else 0
