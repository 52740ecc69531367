"""About how many particles a refinement has, and which ranks will hold all their images.

A STAR file of a million particles is 300 MB, far more than a hook can read. Its rows have almost
the same length, so their number is the size of the file divided by the length of the first rows.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Literal

from ..errors import InputError
from ..host.shared_files import opened_input
from ..relion import star
from ..relion.file_names import file_name, image_kind, is_star
from ..relion.star_tables import iter_blocks
from . import input_images
from .host_memory import Particles
from .image_header import image_header
from .pose_search import Options

__all__ = ["SAMPLE", "estimated_rows", "particles"]

SAMPLE = 300  # particles that are read


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
    if is_star(name):
        return estimated_rows(project / file_name(name).path)
    if name and image_kind(name) == "stack":
        return image_header(project / file_name(name).path).nz
    return 0


def estimated_rows(path: Path) -> int:
    """Rows of the table with the particles, estimated if there are more than SAMPLE.

    Tables behind that one count as particles: beside a large table they are small.

    Raises OSError or InputError when the file cannot be read.
    """
    with opened_input(path) as stream:
        for block in iter_blocks(stream, str(path), rows=SAMPLE):
            if block.name == "particles" or "_rlnImageName" in block.labels:
                _, begin = block.first_row
                end = stream.tell()
                if len(block.rows) < SAMPLE:
                    return len(block.rows)
                return round((stream.seek(0, 2) - begin) * SAMPLE / (end - begin))
    return 0
