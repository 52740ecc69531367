"""Which tables of a particle STAR file does RELION read, in whatever order they stand?

RELION asks for the tables ``particles``, ``optics`` and ``general`` by name. Without optics the
file is one of RELION 3.0, and its first table counts, whatever its name
(``ObservationModel::loadSafely``, obs_model.cpp, 3.1 to 5.0).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from ..relion import star

__all__ = ["ParticleTables", "particle_tables"]


class ParticleTables(NamedTuple):
    """The first row of the particles; the whole optics table and the general one, if any."""

    particles: star.Block
    optics: star.Block | None = None
    general: star.Block | None = None


def particle_tables(path: Path) -> ParticleTables:
    """The tables of the particle file at ``path``.

    Tables behind the particles are looked for if the particles' columns ask for them. Raises
    InputError when the file cannot be read or is damaged, or when RELION would find no particles.
    """
    before: dict[str, star.Block] = {}
    for block in star.read_blocks(path, rows=1, whole=("optics",)):
        before.setdefault(block.name, block)
        if block.name == "particles" or "_rlnImageName" in block.labels:
            break
    if not before:
        return ParticleTables(star.Block("", (), (), 0))
    last = list(before.values())[-1]

    def table(name: str, column: str) -> star.Block | None:
        if name in before or column not in last.labels:
            return before.get(name)
        return star.block_behind(path, name, last.first_row[1])

    optics, general = table("optics", "_rlnOpticsGroup"), table("general", "_rlnTomoName")
    if optics is None or not optics.rows:
        return ParticleTables(next(iter(before.values())), None, general)
    particles = table("particles", "_rlnOpticsGroup")
    if particles is None:
        others = ", ".join(f"data_{block}" for block in before)
        raise InputError(
            f"{path} holds no particles: RELION looks for a table data_particles, and the file has "
            f"{others}; choose another input, or correct the name of the table."
        )
    return ParticleTables(particles, optics, general)
