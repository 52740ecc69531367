"""Which tables of a particle STAR file does RELION read, in whatever order they stand?

RELION asks for the tables ``particles``, ``optics`` and ``general`` by name. Without optics the
file is one of RELION 3.0, and its first table counts, whatever its name
(``ObservationModel::loadSafely``, obs_model.cpp, 3.1 to 5.0).
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from ..relion import star

__all__ = ["ParticleTables", "particle_tables"]

_MOST_TABLES = 100  # before the particles; RELION writes two


class ParticleTables(NamedTuple):
    """The first row of the particles; the whole optics table and the general one, if any."""

    particles: star.Block
    optics: star.Block | None = None
    general: star.Block | None = None


def particle_tables(path: Path) -> ParticleTables:
    """The tables of the particle file at ``path``.

    What does not stand before the particles is looked for behind them: data_general only if the
    particles are a tomogram's, for no other file has it, and the whole file would be searched.

    Raises InputError when the file cannot be read or is damaged, or when RELION would find no
    particles, no images or no optics.
    """
    before: dict[str, star.Block] = {}
    blocks = star.read_blocks(path, rows=1, whole=("optics",))
    for block in islice(blocks, _MOST_TABLES):
        before.setdefault(block.name, block)
        if block.name == "particles" or "_rlnImageName" in block.labels:
            break
    if not before:
        return ParticleTables(star.Block("", (), (), 0))
    last = list(before.values())[-1]

    def table(name: str) -> star.Block | None:
        rows = None if name == "optics" else 1
        return before.get(name) or star.block_behind(path, name, last.first_row[1], rows)

    # RELION 3.0 has no optics groups, and a file of its particles would be searched to its end.
    optics = table("optics") if "_rlnOpticsGroup" in last.labels else before.get("optics")
    if optics is None or not optics.rows:
        return ParticleTables(_of_relion_3_0(path, next(iter(before.values()))))
    general = table("general") if "_rlnTomoName" in last.labels else before.get("general")
    particles = table("particles")
    if particles is None:
        others = ", ".join(f"data_{block[:40]}" for block in islice(before, 20))
        raise InputError(
            f"{path} holds no particles: RELION looks for a table data_particles, and the file has "
            f"{others}; choose another input, or correct the name of the table."
        )
    if "_rlnImageName" not in particles.labels:
        raise _no_images(path, particles)
    return ParticleTables(particles, optics, general)


def _of_relion_3_0(path: Path, first: star.Block) -> star.Block:
    """The first table of a file without optics, which RELION converts (star_converter.cpp)."""
    if "_rlnImageName" not in first.labels:
        raise _no_images(path, first)
    if "_rlnOpticsGroup" in first.labels and "_rlnVoltage" not in first.labels:
        raise InputError(
            f"{path} has no table data_optics, which describes the optics groups of its particles "
            "(_rlnOpticsGroup), and without which RELION stops; repeat the job that made the file."
        )
    return first


def _no_images(path: Path, table: star.Block) -> InputError:
    return InputError(
        f"{path} names no images (_rlnImageName) in its table data_{table.name}, where RELION "
        "looks for them; extract the particles first, or correct the file."
    )
