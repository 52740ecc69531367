"""Are the image files those that were added, and does an image start on this machine?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from ..config.catalogue import Catalogue, Listed
from ..config.job_types import JobType
from ..config.places import changed_in
from ..config.site import Apptainer
from ..errors import ImageError
from ..images import apptainer
from ..images.awaited import none_yet
from ..images.container import missing_binds
from ..images.sif import ours, read_header
from .job_type_check import named

__all__ = ["bind_remarks", "image_problems", "try_apptainer"]

_START = 60  # seconds, in which a container starts or never will


def image_problems(
    catalogue: Catalogue, types: Mapping[str, JobType], of_site: str | None = None
) -> Iterator[str]:
    """A sentence for each file that is not as it was added, and for each image that is missing.

    `of_site` is the image that the site gives to all job types that name none.
    """
    for listed in catalogue.builds():
        yield from (f"{catalogue.path}: {listed}: {each}" for each in _file_problems(listed))
    named_in = {of_site: f'{changed_in("site.json")}: key "image"'} if of_site else {}
    for name in dict.fromkeys(kind.image for kind in types.values() if kind.image):
        users = [each for each, kind in types.items() if kind.image == name]
        named_in.setdefault(name, f"{changed_in('dispatch_config.json')}: {named(users)}")
    if named_in and not catalogue.images:
        yield none_yet(catalogue, next(iter(named_in)))
        return
    for name, place in named_in.items():
        then = f'Add the image (`relion-dispatch images add`), or correct "image" in {place}.'
        try:
            catalogue.find(name, then=then)
        except ImageError as error:
            yield str(error)


def _file_problems(listed: Listed) -> Iterator[str]:
    """What a short look shows; ``relion-dispatch images verify`` reads the whole file."""
    build = listed.build
    try:
        header = read_header(listed.path)
    except ImageError as error:
        yield str(error)
        return
    if build.sif_id and not build.matches(header):
        yield (
            f"the file {listed.path} is not the file that was added ({header.size} bytes with SIF "
            f"id {header.sif_id}; {build.size} bytes with SIF id {build.sif_id} were added): put "
            "the earlier file back, or add the new file as another variant or version."
        )
    if listed.weights and not listed.weights.is_dir():
        yield (
            f"the folder of weights {listed.weights} does not exist: put the folder back, or "
            'correct "weights" there.'
        )


def try_apptainer(settings: Apptainer, catalogue: Catalogue | None) -> None:
    """Ask Apptainer for its version, and start the first image that is here and for this machine.

    The container gets those folders of "bind" that are here.

    Raises:
        ImageError: that does not work, as without user namespaces or /dev/fuse.
    """
    apptainer.version(settings.program)
    path = _first_image(catalogue) if catalogue else None
    if path:
        missing = missing_binds(settings)
        folders = [each for each in settings.bind if each not in missing]
        apptainer.inside(settings, path, "exit 0", folders, timeout=_START)


def bind_remarks(settings: Apptainer) -> Iterator[str]:
    """A sentence for each folder of "bind" that this machine lacks; a node may have the folder."""
    for folder in missing_binds(settings):
        yield (
            f'{changed_in("site.json")}: key "apptainer.bind": {folder} is not on this machine. '
            "On a node that lacks the folder too, jobs run without the folder: if no node has the "
            "folder, remove it from the list."
        )


def _first_image(catalogue: Catalogue) -> Path | None:
    for listed in catalogue.builds():
        with suppress(ImageError):
            if read_header(listed.path).architecture in (ours(), "unknown"):
                return listed.path
    return None
