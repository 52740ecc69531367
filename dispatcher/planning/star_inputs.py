"""Does the RELION that will run read the STAR files that the job's commands name?

Of each file the first 64 KB are read; files that are named by a variable are left to the node.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from ..errors import InputError
from ..memory.particle_tables import particle_tables
from ..relion import star
from ..relion.command import Command, is_option
from ..relion.file_names import file_name, is_star, spider_until_now
from ..relion.line_ends import line_end_problem
from ..relion.spider_header import is_spider
from ..relion.version import major_minor

__all__ = ["named_tables", "star_warnings"]

# Programs that copy or list what they are given, and read it only with this option (import.cpp, 3.1
# to 5.0).
_READS_ONLY_WITH = {"relion_import": "do_particles"}
# Options of relion_refine that name a map.
_MAPS = ("ref", "solvent_mask", "solvent_mask2")
# The other STAR files that a run starts from, by their labels in an optimiser or an optimisation
# set (RELION 3.1 to 5.0).
_PARTS = re.compile(r"_rln\w*(StarFile2?|(Particles|Tomograms|Trajectories|Manifolds)File)")


def star_warnings(
    commands: Iterable[Command], project: Path, version: str | None
) -> tuple[str, ...]:
    """Sentences on what RELION may not read: if RELION 3.1 will run, which does not look and fails
    later, or if nobody knows which version will.

    Raises:
        InputError: RELION 4.0 or newer will run, and refuses one of the files itself.
    """
    relion = major_minor(version or "")
    problems = tuple(dict.fromkeys(_problems(commands, project, relion)))
    if problems and relion and relion >= (4, 0):
        raise InputError(f"{problems[0]} RELION {version} would stop there.")
    name = f"RELION {version}" if relion else "RELION"
    return tuple(f"{problem} {name} may stop there." for problem in problems)


def _problems(
    commands: Iterable[Command], project: Path, relion: tuple[int, int] | None
) -> Iterator[str]:
    for command in commands:
        if command.kind != "relion" or command.base_program.startswith("relion_python_"):
            continue  # Python programs have readers of their own
        reads_with = _READS_ONLY_WITH.get(command.base_program)
        if reads_with and reads_with not in command:
            continue
        if command.base_program == "relion_refine":
            yield from _names_problems(command, project, relion)
        for path in _star_files(command, project):
            if problem := line_end_problem(path, relion):
                yield problem


def _names_problems(
    command: Command, project: Path, relion: tuple[int, int] | None
) -> Iterator[str]:
    """What is wrong with the names of a refinement's particles and references."""
    particles = command.value("i") or ""
    if particles and "$" not in particles and not is_star(particles):
        yield (
            f"--i names {particles}, but RELION 3.1 and newer take particles from a STAR file "
            "alone: give a STAR file that names the images."
        )
    if relion:
        maps = (command.value(option) or "" for option in _MAPS)
        for name in (_first_image(particles, project), *maps):
            problem = None if is_star(name) or "$" in name else spider_until_now(name, relion)
            if problem and not is_spider(project / file_name(name).path):
                yield problem


def _first_image(particles: str, project: Path) -> str:
    with suppress(InputError):
        if is_star(particles):
            found = particle_tables(project / file_name(particles).path)
            return found.particles.first("_rlnImageName") or ""
    return ""


def _star_files(command: Command, project: Path) -> Iterator[Path]:
    """The STAR files that a command reads: those that it names, and their parts."""
    sets = ("continue", "ios", "i" if command.base_program.startswith("relion_tomo_") else "")
    for option, text in _values(command):
        for word in text.split():  # JoinStar's --i " a.star b.star "
            if not is_star(word):
                continue
            path = project / file_name(word).path
            yield path
            if option and option in sets:
                yield from _parts(path, project)


def _parts(path: Path, project: Path) -> Iterator[Path]:
    with suppress(InputError):  # whoever reads the file for its values says what is wrong
        for block in star.read_blocks(path, rows=1):
            yield from (project / name for name in named_tables(block))


def named_tables(block: star.Block) -> Iterator[str]:
    """The other STAR files that the first row of a table names, which a run starts from as well."""
    for label in block.labels:
        name = block.first(label) or ""  # a part may be "None"
        if _PARTS.fullmatch(label) and is_star(name):
            yield name


def _values(command: Command) -> Iterator[tuple[str, str]]:
    """Each option with its value, and positional words with ''. No outputs (``--o``)."""
    option = ""
    for word in command.arguments:
        text = str(word)
        if is_option(word):
            option, _, text = text.lstrip("-").partition("=")
            if not text:
                continue
        if not re.fullmatch(r"o|out\w*|o_\w+", option):
            yield option, text
