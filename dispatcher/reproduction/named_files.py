"""The files that a STAR file names: image stacks, micrographs, models, masks, other STAR files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ..host.shared_files import opened_input
from ..relion.file_names import file_name
from ..relion.star import Block, read_blocks
from ..relion.star_tables import iter_rows

__all__ = ["named_files"]

_NAMES_A_FILE = re.compile(
    r"Name|File|file|Image|Map|Mask|Metadata|Coordinates|Stack|Moment|Tomogram|Projection"
)
_FOLLOWED = re.compile(r"(StarFile2?|(Particles|Tomograms|Trajectories|Manifolds)File)$")
_IMAGES = (
    "_rlnImageName",
    "_rlnTomoTiltSeriesName",
    "_rlnMicrographName",
    "_rlnMicrographMovieName",
)
_NUMBER = re.compile(r"[-+\d.eE]+|nan|None|")


def named_files(path: Path, project: Path) -> dict[str, bool]:
    """The files named in the STAR file at `path`, as written there (relative to `project`), and
    whether RELION cannot do without: True for a table's own images and for STAR files that are
    parts of this one (an optimiser's model, an optimisation set's particles), which are read too.

    Of the other names only those of files that exist are given. Beside particle images,
    micrographs are where these came from: they are passed over.

    Raises:
        InputError: `path` is missing or no STAR file.
    """
    found: dict[str, bool] = {}
    seen = {path}
    to_read = [path]
    for path in to_read:  # which grows
        for name, needed, is_part in _named_in(path):
            if needed:
                found[name] = True
            elif name not in found and (project / name).is_file():
                found[name] = False
            following = project / name
            if is_part and following not in seen and following.is_file():
                seen.add(following)
                to_read.append(following)
    return found


def _named_in(path: Path) -> Iterator[tuple[str, bool, bool]]:
    """The files that one STAR file names, whether RELION needs each, and whether it is a part."""
    for block in read_blocks(path, rows=1):
        images = next((label for label in _IMAGES if label in block.labels), None)
        wanted = [
            label
            for label in block.labels
            if _NAMES_A_FILE.search(label)
            and not (images == "_rlnImageName" and ("Micrograph" in label or "Movie" in label))
        ]
        for label, name in _values(path, block, wanted):
            part = _FOLLOWED.search(label) is not None
            yield name, label == images or part, part


def _values(path: Path, block: Block, labels: list[str]) -> Iterator[tuple[str, str]]:
    """Each different name under these labels: ``000012@stack.mrc:mrcs`` → ``stack.mrc``.

    Row by row and not by :func:`read_blocks`: a table of a million particles names some hundred
    stacks, and must not be in memory as a whole.
    """
    if not labels:
        return
    places = [(label, block.labels.index(label)) for label in labels]
    seen: set[tuple[str, str]] = set()
    with opened_input(path) as stream:
        for words in iter_rows(stream, str(path), block):
            for label, at in places:
                stack = words[at].rpartition("@")[2]
                if (label, stack) not in seen:
                    seen.add((label, stack))
                    name = file_name(words[at]).path
                    if not _NUMBER.fullmatch(name):
                        yield label, name
