"""Whether the catalogue's image files are what they were when they were added."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from . import apptainer
from .catalogue_file import edit, entry
from .errors import ImageError
from .images import Build, Catalogue
from .integrity import sha256_of
from .sif import read_header
from .site import Site

__all__ = ["Listed", "at_a_glance", "listed", "verify"]


class Listed(NamedTuple):
    """A build of the catalogue with the place it has there; `path` is absolute."""

    name: str
    version: str
    is_default: bool
    build: Build
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
            "sha256": build.sha256,
            "size": build.size,
            "sif_id": build.sif_id,
            "architecture": build.architecture,
            "mpi": build.mpi,
            "programs": list(build.programs),
            "signed_by": list(build.signed_by),
        }


def listed(
    catalogue: Catalogue, name: str | None = None, version: str | None = None
) -> Iterator[Listed]:
    """The catalogue's builds in its order, of one image or version where these are given.

    Raises:
        ImageError: there is no such image, or it has no such version.
    """
    if name is not None and name not in catalogue.images:
        raise ImageError(
            f'There is no image "{name}" in the catalogue {catalogue.path}: it has '
            f"{', '.join(catalogue.images) or 'none'}."
        )
    for each, image in catalogue.images.items():
        if name in (None, each) and version is not None and version not in image.versions:
            raise ImageError(
                f"The catalogue {catalogue.path} has no {each} {version}: it has "
                f"{', '.join(image.versions)}."
            )
        for found, builds in image.versions.items():
            if name in (None, each) and version in (None, found):
                for build in builds:
                    path = catalogue.path.parent / build.path
                    yield Listed(each, found, found == image.default, build, path)


def at_a_glance(image: Listed) -> str:
    """The file's state by its size, time and header: "present", "missing or damaged", "changed",
    "touched" (another time only), or "not recorded" where there is nothing to compare with."""
    try:
        header = read_header(image.path)
    except ImageError:
        return "missing or damaged"
    build = image.build
    if build.sha256 is None or build.sif_id is None:
        return "not recorded"
    if (header.sif_id, header.size) != (build.sif_id, build.size):
        return "changed"
    return "present" if header.mtime == build.mtime else "touched"


def verify(images: Sequence[Listed], site: Site) -> Iterator[tuple[Listed, str | None]]:
    """Read each file whole, and check its signature where one is recorded; what is wrong, or None.

    What was not recorded, or a time that is another one, is recorded anew where the site's folder
    can be written.
    """
    for image in images:
        try:
            yield image, _compare(image, site)
        except ImageError as error:
            yield image, str(error)


def _compare(image: Listed, site: Site) -> str | None:
    build = image.build
    header = read_header(image.path)
    digest = sha256_of(image.path)
    if build.sha256 and digest != build.sha256:
        return (
            f"the sha256 of {image.path} is {digest}, the catalogue's {build.sha256}: put the file "
            "back that was added, or add this one as a variant or version of its own."
        )
    if build.signed_by:
        signers = apptainer.signers(site.apptainer.program, image.path)
        if missing := sorted(set(build.signed_by) - set(signers)):
            return (
                f"{image.path} is recorded as signed by {', '.join(missing)}, which Apptainer does "
                "not confirm: import that key (`apptainer key import`), or have it signed again."
            )
    state = {"sha256": digest, "size": header.size, "mtime": header.mtime, "sif_id": header.sif_id}
    if any(getattr(build, key) != value for key, value in state.items()):
        with edit() as content:
            found = entry(content, image.name, image.version, build.variant)
            if found is not None:
                found.update(state)
    return None
