"""Finding an image's file again by its digest, wherever it lies now."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ..config.catalogue import ImageFile
from ..config.places import site_folder
from ..errors import ImageError
from ..images.choice import ChosenImage
from .exported_images import digest_now, weight_digests
from .file import ExportedImage

__all__ = ["find_image", "find_weights"]


def find_image(image: ExportedImage, folders: Sequence[Path]) -> Path | None:
    """The file with the image's digest: at the path it had, else in or below one of `folders`.

    Only files of the image's size are hashed.
    """
    if image.sha256 is None:
        return None
    for path in (site_folder() / image.path, *_files_in(folders)):
        with suppress(OSError, ImageError):
            if image.size in (None, path.stat().st_size) and _digest(image, path) == image.sha256:
                return path
    return None


def find_weights(image: ExportedImage, found: Path | None, folders: Sequence[Path]) -> Path | None:
    """The folder with the image's weights: where it was, beside the image, or in `folders`."""
    if image.weights is None:
        return None
    places = [site_folder() / image.weights]
    name = Path(image.weights).name
    places += [folder / name for folder in ((found.parent,) if found else ())]
    places += [folder / name for folder in folders]
    for place in places:
        with suppress(ImageError):
            if place.is_dir() and weight_digests(place) == image.weight_files:
                return place
    return None


def _files_in(folders: Sequence[Path]) -> list[Path]:
    return [
        path.absolute()
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]


def _digest(image: ExportedImage, path: Path) -> str | None:
    build = ImageFile(variant=image.variant, path=str(path))
    return digest_now(ChosenImage(image.name, image.version, build, path, ""), path).sha256
