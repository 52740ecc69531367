"""Whether the catalogue's image files are what they were when they were added."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..config.catalogue import Catalogue, ImageFile
from ..config.site import Site
from ..errors import DispatchError, ImageError
from . import apptainer
from .edit_catalogue import builds_of, edit, entry, image_named
from .integrity import sha256_of
from .sif import read_header

__all__ = ["Listed", "Verified", "at_a_glance", "listed", "verify"]


class Listed(NamedTuple):
    """A build of the catalogue with the place it has there; `path` is absolute."""

    name: str
    version: str
    is_default: bool
    build: ImageFile
    path: Path

    def __str__(self) -> str:
        return f"{self.name} {self.version} ({self.build.variant})"

    def as_json(self) -> dict[str, Any]:
        """What the catalogue says, and the file's state at a glance."""
        build = self.build
        return {
            "name": self.name,
            "version": self.version,
            "default": self.is_default,
            "variant": build.variant,
            "path": str(self.path),
            "state": at_a_glance(self),
            "gpu": build.gpu,
            "partitions": list(build.partitions),
            "weights": build.weights and str(self.path.parent / build.weights),
            "sha256": build.sha256,
            "size": build.size,
            "sif_id": build.sif_id,
            "architecture": build.architecture,
            "mpi": build.mpi,
            "programs": list(build.programs),
            "signed_by": list(build.signed_by),
        }


class Verified(NamedTuple):
    """How a file was found: what is wrong with it, or None; and what else is to be said."""

    image: Listed
    problem: str | None = None
    note: str | None = None

    def __str__(self) -> str:
        note = f" ({self.note})" if self.note else ""
        return f"{self.image}: {self.problem or f'in order{note}'}"


def listed(
    catalogue: Catalogue, name: str | None = None, version: str | None = None
) -> Iterator[Listed]:
    """The catalogue's builds in its order, of one image or version where these are given.

    Raises:
        ImageError: there is no such image, or it has no such version.
    """
    images = catalogue.images if name is None else {name: image_named(catalogue, name)}
    for each, image in images.items():
        if version is not None:
            builds_of(catalogue, each, version)
        for found, builds in image.versions.items():
            if version in (None, found):
                for build in builds:
                    path = catalogue.path.parent / build.path
                    yield Listed(each, found, found == image.default, build, path)


def at_a_glance(image: Listed) -> str:
    """The file's state by its size, time and header: "present", "missing", "damaged" (cut short,
    not readable or no SIF), "changed", "touched" (another time only), or "not recorded" where there
    is nothing to compare with."""
    try:
        header = read_header(image.path)
    except ImageError:
        return "damaged" if os.path.lexists(image.path) else "missing"
    build = image.build
    if build.sha256 is None or build.sif_id is None:
        return "not recorded"
    if (header.sif_id, header.size) != (build.sif_id, build.size):
        return "changed"
    return "present" if header.mtime == build.mtime else "touched"


def verify(
    images: Sequence[Listed], site: Site, progress: Callable[[Listed, int], None] | None = None
) -> Iterator[Verified]:
    """Read each file whole, and check its signature where one is recorded.

    What was not recorded, or a time that is another one, is recorded anew. `progress` is told the
    bytes read so far of each file.
    """
    for image in images:
        try:
            yield _compare(image, site, progress)
        except ImageError as error:
            yield Verified(image, str(error))


def _compare(image: Listed, site: Site, progress: Callable[[Listed, int], None] | None) -> Verified:
    build = image.build
    header = read_header(image.path)
    so_far = 0

    def more(count: int) -> None:
        nonlocal so_far
        so_far += count
        if progress:
            progress(image, so_far)

    digest = sha256_of(image.path, more)
    if build.sha256 and digest != build.sha256:
        return Verified(
            image,
            f"the sha256 of {image.path} is {digest}, the catalogue's {build.sha256}: put the file "
            "back that was added, or add this one as a variant or version of its own.",
        )
    if build.signed_by:
        signers = apptainer.signers(site.apptainer.program, image.path)
        if missing := sorted(set(build.signed_by) - set(signers)):
            return Verified(
                image,
                f"{image.path} is recorded as signed by {', '.join(missing)}, which Apptainer does "
                "not confirm: import that key (`apptainer key import`), or have it signed again.",
            )
    state = {"sha256": digest, "size": header.size, "mtime": header.mtime, "sif_id": header.sif_id}
    as_recorded = all(getattr(build, key) == value for key, value in state.items())
    note = None if as_recorded else _record(image, state)
    policy = site.apptainer.signed_by
    if policy and not set(policy) & set(build.signed_by):
        return Verified(
            image,
            f"its file is in order{f' ({note})' if note else ''}, but jobs are refused it: none of "
            'the keys in site.json ("apptainer.signed_by") is recorded to have signed it; have it '
            "signed, and add it again.",
        )
    return Verified(image, note=note)


def _record(image: Listed, state: dict[str, Any]) -> str:
    """Write what was found of a file into its entry; what came of it, in words."""
    build = image.build
    what = "its size and time" if build.sha256 else f"its sha256, {state['sha256']}"
    try:
        with edit() as content:
            found = entry(content, image.name, image.version, build.variant)
            # While large files are read, another admin may have replaced the entry.
            if not found or (found["path"], found.get("sha256")) != (build.path, build.sha256):
                return "its entry was changed meanwhile"
            found.update(state)
    except DispatchError as error:
        return f"{what} could not be recorded: {error}"
    return f"recorded {what}"
