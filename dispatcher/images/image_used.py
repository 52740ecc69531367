"""The image that was chosen, once its file is seen to be the one that the project has used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ..errors import ImageError
from .choice import Catalogue, Choice
from .pins import Pin

__all__ = ["as_used_before"]


def as_used_before(
    image: Choice,
    catalogue: Catalogue,
    pinned: Mapping[str, Pin],
    pin_file: Path,
    verified: Callable[..., Choice],
) -> Choice:
    """The image with its file looked at by `verified` (one of :mod:`dispatcher.images.integrity`): the one
    that the project has used, if it has.

    Raises:
        ImageError: the catalogue has no longer the variant that the project has used; or as for
            `verified`.
    """
    used = None
    name = image.name
    if name in pinned:
        digests = pinned[name].sha256
        used = digests.get(image.variant)
        builds = catalogue.images[name].versions[image.version]
        gone = sorted(digests.keys() - {build.variant for build in builds})
        if gone and used is None:
            raise ImageError(
                f"This project has used the variant {gone[0]} of {name} {image.version} (sha256 "
                f"{digests[gone[0]]}, {pin_file}), which is no longer in the catalogue "
                f"{catalogue.path}: ask your admin to put it back, or go on without "
                f"it knowingly: `relion-dispatch pin {name} {image.version}`."
            )
    return verified(image, used, catalogue.path, pin_file)
