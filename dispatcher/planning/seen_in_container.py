"""Which files of a job does its container not see, because they lead to a disk that is not bound?

Asked before the queue: links, and paths outside of the project. Nothing large is read, and a disk
that does not answer keeps nobody waiting.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import NamedTuple

from ..config.site import Apptainer
from ..errors import InputError
from ..images.container_view import View, view_of_container
from ..relion import star
from ..relion.command import Command, is_option
from .star_inputs import named_tables

__all__ = ["Named", "leads_outside", "named_paths", "not_seen"]

_PATIENCE = 2.0  # seconds
_MOST = 3  # sentences
_MADE_BY_THE_SCRIPT = ("pipeline_control", "pipeline-control", "scratch_dir")
# A table's images; the first that is there counts, and what movies have become goes before them.
_IMAGES = (
    *("_rlnImageName", "_rlnMicrographName", "_rlnMicrographMovieName", "_rlnTomoTiltSeriesName"),
    *("_rlnTomoReconstructedTomogram", "_rlnTomoReconstructedTomogramHalf1"),
)


class Named(NamedTuple):
    """A path as a command or a STAR file names it, and where it stands in words."""

    path: str
    where: str
    is_program: bool = False


def not_seen(
    commands: Iterable[Command], project: Path, job: str, apptainer: Apptainer
) -> tuple[str, ...]:
    """A sentence for each of the first three places outside of what the container sees.

    A disk that does not answer within two seconds ends the search; what was found before is told.
    """
    sentences: list[str] = []
    listed = list(commands)
    look = Thread(
        target=lambda: sentences.extend(_sentences(listed, project, job, apptainer)), daemon=True
    )
    look.start()
    look.join(_PATIENCE)
    return tuple(sentences[:_MOST])


def _sentences(
    commands: Iterable[Command], project: Path, job: str, apptainer: Apptainer
) -> Iterator[str]:
    near = [project, *map(Path, apptainer.bind)]
    view: View | None = None
    told: set[Path] = set()
    with suppress(OSError, ValueError):
        for named in (Named(job, "the job's folder"), *named_paths(commands, project)):
            path = project / named.path
            if not leads_outside(path, near):
                continue
            view = view or view_of_container(apptainer)  # seldom needed, and asks other programs
            outside = leads_outside(path, [*near, *view.folders])
            # One folder is told once, whatever is in there.
            if outside and told.isdisjoint({outside, outside.parent}):
                told |= {outside, outside.parent}
                yield _sentence(named, outside, view.home)


def _sentence(named: Named, outside: Path, home: bool) -> str:
    leads = "" if str(outside) == named.path else f"leads to {outside}, which "
    places = "the project, in your home folder," if home else "the project"
    unless = ", unless the image has a program of its own there" if named.is_program else ""
    return (
        f"The container will not see {named.path} ({named.where}){unless}: {named.path} {leads}is "
        f'not in {places} or in a folder of "bind" in site.json. Ask your admin to add the folder '
        "to that list, or keep a copy in the project."
    )


def named_paths(commands: Iterable[Command], project: Path) -> Iterator[Named]:
    """What the commands name on this machine, and the first image of each STAR file."""
    for command in commands:
        if command.is_file_tool:
            continue
        option = ""
        for word in command.arguments:
            if is_option(word):
                option, _, text = str(word).partition("=")
            else:
                text = str(word)
            if not word.variables and option.lstrip("-") not in _MADE_BY_THE_SCRIPT:
                whole = "/" in text and (project / text).exists()  # else a list, or no path at all
                for path in [text] if whole else text.split():
                    yield from _at(path, option, project)


def _at(path: str, option: str, project: Path) -> Iterator[Named]:
    """The path if it is here, else the folder in which it is to be made; and what it names."""
    path = path.rpartition("@")[2]
    full, program = project / path, option.endswith("_exe")
    if full.exists() or full.is_symlink():
        if "/" in path or full.is_symlink():
            yield Named(path, option, program)
        if path.endswith(".star"):
            yield from _first_image(path, project)
    elif "/" in path and not program and full.parent.exists():
        yield Named(str(Path(path).parent), option)


def _first_image(name: str, project: Path, levels: int = 2) -> Iterator[Named]:
    """The first image of a STAR file, and what the tables that its first row names have in turn:
    particles of an optimisation set, tilt series of its tomograms."""
    with suppress(InputError):
        for block in star.read_blocks(project / name, rows=1):
            parts = list(named_tables(block)) if levels else []
            for part in parts:
                yield Named(part, f"named in {name}")
                yield from _first_image(part, project, levels - 1)
            image = next(filter(None, map(block.first, _IMAGES)), None)
            if image:
                yield Named(image.rpartition("@")[2], f"the first image of {name}")
            if parts or image:
                return


def leads_outside(path: Path, roots: Sequence[Path]) -> Path | None:
    """Where a path leads that the container does not see; None if it sees the file.

    The container has the roots at their own paths, whatever links are above them. Below a root each
    link is followed as the container would.
    """
    here, links = Path("/"), 0
    rest = [*path.parts[:0:-1]]
    while rest:
        part = rest.pop()
        if part == "..":
            here = here.parent
            continue
        here /= part
        inside = any(root in here.parents for root in roots)
        if inside and links < 40 and here.is_symlink():  # as many as Linux follows
            links += 1
            target = here.readlink()
            rest += [part for part in reversed(target.parts) if part != "/"]
            here = Path("/") if target.is_absolute() else here.parent
    return None if any(here == root or root in here.parents for root in roots) else here
