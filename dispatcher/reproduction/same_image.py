"""Which file is the image of a recorded job, and is it one of this site's?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..config.catalogue import Catalogue
from ..errors import ImageError
from ..images.integrity import sha256_of
from .recorded_job import RecordedJob

__all__ = ["SameImage", "same_image"]


class SameImage(NamedTuple):
    """The file with the recorded digest, and whether this site's catalogue has it."""

    path: Path
    is_listed: bool


def same_image(job: RecordedJob, catalogue: Catalogue) -> SameImage:
    """The file with the recorded digest: at its old place, else at its place in the catalogue.

    Files are hashed as a whole.

    Raises:
        ImageError: the image is not found, or the file at its path has another digest.
    """
    image = job.image
    then, digest = image.path, image.sha256
    title = f"{image.name} {image.version} ({image.variant})"
    found = sha256_of(then) if then.is_file() else None
    if found == digest:
        listed = any(
            each.path == then or each.build.sha256 == digest for each in catalogue.builds()
        )
        return SameImage(then, listed)
    for path in _candidates(job, catalogue):
        if path != then and path.is_file() and sha256_of(path) == digest:
            return SameImage(path, True)
    way_out = (
        f"the catalogue {catalogue.path} has no file with that digest: get that file, add it to "
        "the catalogue again, and repeat this command."
    )
    if found is None:
        raise ImageError(
            f"The image {title} of {job.name}, {then} with sha256 {digest}, no longer exists, and "
            f"{way_out}"
        )
    raise ImageError(
        f"The image {title} of {job.name} is not the same: {then} has the sha256 {found} now, and "
        f"had {digest}; {way_out}"
    )


def _candidates(job: RecordedJob, catalogue: Catalogue) -> Iterator[Path]:
    """The catalogue's files of that digest; those of the same size whose digest it lacks."""
    for listed in catalogue.builds():
        path, recorded = listed.path, listed.build.sha256
        same_size = recorded is None and path.is_file() and path.stat().st_size == job.image.size
        if recorded == job.image.sha256 or same_size:
            yield path
