"""What an export says of each image: its file's digest, and what the file says about itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ..config.catalogue import Catalogue
from ..errors import DispatchError, ImageError
from ..images.choice import ChosenImage
from ..images.integrity import sha256_of, verified
from ..images.pins import PIN_FILE
from .file import ExportedImage, Recipe

__all__ = ["Inspected", "choices", "digest_now", "exported_images", "weight_digests"]


class Inspected(NamedTuple):
    """What an image says about itself: its labels, and the definition it was built from."""

    labels: dict[str, str]
    definition: str


def choices(catalogue: Catalogue) -> Iterator[ChosenImage]:
    """Every build of the catalogue, in its order."""
    folder = catalogue.path.parent
    for name, image in catalogue.images.items():
        for version, builds in image.versions.items():
            for build in builds:
                weights = folder / build.weights if build.weights else None
                yield ChosenImage(name, version, build, folder / build.path, "", weights)


def digest_now(choice: ChosenImage, catalogue: Path) -> ChosenImage:
    """The choice with the digest, SIF id and size that its file has now, whatever is recorded.

    Raises:
        ImageError: the file is missing, cut short or no SIF.
    """
    try:
        return verified(choice, None, catalogue, Path(PIN_FILE))
    except ImageError:
        unrecorded = choice._replace(build=replace(choice.build, sha256=None))
        return verified(unrecorded, None, catalogue, Path(PIN_FILE))


def weight_digests(folder: Path) -> dict[str, str]:
    """The digests of a folder's files, by their paths in it.

    Raises:
        ImageError: one cannot be read.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): sha256_of(path) for path in files}


def exported_images(
    catalogue: Catalogue,
    inspect: Callable[[Path], Inspected],
    recipe: Callable[[str, str, str], Recipe | None],
) -> Iterator[ExportedImage]:
    """Every build of the catalogue; what cannot be told is left out, and `problem` says why.

    `inspect` asks the image about itself, `recipe` finds the one for a name, version and variant.
    """
    for choice in choices(catalogue):
        build = choice.build
        image = ExportedImage(
            name=choice.name,
            version=choice.version,
            variant=choice.variant,
            path=build.path,
            sha256=build.sha256,
            size=build.size,
            sif_id=build.sif_id,
            recipe=recipe(choice.name, choice.version, choice.variant),
            weights=build.weights,
        )
        try:
            # Not `digest_now`: a file that was swapped is not the site's image.
            found = verified(choice, None, catalogue.path, Path(PIN_FILE))
            image = replace(image, sha256=found.sha256, size=found.size, sif_id=found.sif_id)
            if choice.weights:
                image = replace(image, weight_files=weight_digests(choice.weights))
            labels, definition = inspect(choice.path)
            image = replace(image, labels=labels, definition=definition.split("\n"))
        except DispatchError as error:
            image = replace(image, problem=str(error))
        yield image
