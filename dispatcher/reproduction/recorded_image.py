"""The image file that a recorded job ran in, by its digest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..errors import ImageError
from ..images.choice import Catalogue
from ..images.integrity import sha256_of
from .recorded_job import RecordedJob

__all__ = ["same_image"]


def same_image(job: RecordedJob, catalogue: Catalogue) -> Path:
    """The file of the recorded digest: where it was, else where the catalogue has it now.

    Files are hashed as a whole.

    Raises:
        ImageError: it is not found, or what lies in its place has another digest.
    """
    image = job.image
    then, digest = Path(image["path"]), image["sha256"]
    title = f"{image['name']} {image['version']} ({image['variant']})"
    found = sha256_of(then) if then.is_file() else None
    if found == digest:
        return then
    for path in _candidates(job, catalogue):
        if path != then and path.is_file() and sha256_of(path) == digest:
            return path
    way_out = (
        f"no file of the catalogue {catalogue.path} is it: get the file with that digest, add it "
        "to the catalogue again, and repeat this command."
    )
    if found is None:
        raise ImageError(
            f"The image {title} of {job.name}, {then} with sha256 {digest}, is not there any more, "
            f"and {way_out}"
        )
    raise ImageError(
        f"The image {title} of {job.name} is not the same: {then} has the sha256 {found} now, and "
        f"had {digest}; {way_out}"
    )


def _candidates(job: RecordedJob, catalogue: Catalogue) -> Iterator[Path]:
    """The catalogue's files of that digest; those of the same size whose digest it lacks."""
    size = job.image.get("size")
    for image in catalogue.images.values():
        for builds in image.versions.values():
            for build in builds:
                path = catalogue.path.parent / build.path
                same_size = build.sha256 is None and path.is_file() and path.stat().st_size == size
                if build.sha256 == job.image["sha256"] or same_size:
                    yield path
