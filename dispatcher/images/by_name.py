"""An image of the catalogue by the name and version that someone gave."""

from __future__ import annotations

from ..config.json_files import nearest
from ..errors import ImageError
from .choice import Build, Catalogue, Image

__all__ = ["builds_of", "image_named"]


def builds_of(catalogue: Catalogue, name: str, version: str) -> list[Build]:
    """The builds of an image's version, as someone names them.

    Raises:
        ImageError: there is no such image, or no such version of it.
    """
    versions = image_named(catalogue, name).versions
    if version not in versions:
        raise ImageError(
            f"The catalogue {catalogue.path} has no {name} {version}"
            f"{nearest(version, list(versions)) or '.'} It has {', '.join(versions)}."
        )
    return versions[version]


def image_named(catalogue: Catalogue, name: str) -> Image:
    """The image of that name, as someone gives it.

    Raises:
        ImageError: there is none.
    """
    if name not in catalogue.images:
        raise ImageError(
            f'There is no image "{name}" in the catalogue {catalogue.path}'
            f"{nearest(name, list(catalogue.images)) or '.'} It has "
            f"{', '.join(catalogue.images) or 'none'}."
        )
    return catalogue.images[name]
