"""Do a project's pins, the catalogue and the image files still belong together?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ..config.catalogue import Catalogue, Listed
from ..errors import ImageError
from .choice import ChosenImage
from .integrity import sha256_of, verified
from .pins import PIN_FILE, Pin
from .sif import read_header

__all__ = ["check_against_pin", "differences"]


def check_against_pin(
    image: ChosenImage,
    catalogue: Catalogue,
    pinned: Mapping[str, Pin],
    pin_file: Path,
    check_file: Callable[..., ChosenImage],
) -> ChosenImage:
    """Check that the chosen image's file is the one that the project has used, if it has used one.

    `check_file` is one of the two checks of `images.integrity`.

    Raises:
        NotInCatalogue: the catalogue no longer has the variant that the project has used.
        ImageError: as for `check_file`.
    """
    pin = pinned.get(image.name)
    used = pin.sha256.get(image.variant) if pin else None
    if pin and used is None:
        for error in _gone_variants(catalogue, image.name, pin, pin_file):
            raise error
    return check_file(image, used, catalogue.path, pin_file)


def differences(
    project: Path, pinned: Mapping[str, Pin], catalogue: Catalogue, full: bool = False
) -> Iterator[str]:
    """What does not belong together: a sentence for each, which says what to do about it.

    A file is hashed only when its size, time or SIF id are not those recorded with its digest;
    with `full`, each file that the catalogue or a pin knows the digest of is hashed.
    """
    for name, pin in pinned.items():
        yield from _of_pin(project / PIN_FILE, name, pin, catalogue, full)


def _of_pin(pin_file: Path, name: str, pin: Pin, catalogue: Catalogue, full: bool) -> Iterator[str]:
    way_out = (
        f"move the project to another version with `relion-dispatch pin {name} VERSION`"
        if name in catalogue.images
        else "remove the entry from the pin file"
    )
    then = (
        f"{pin_file} pins {name} {pin.version}: ask your admin to put that version back, or "
        f"{way_out}."
    )
    try:
        builds = catalogue.find(name, pin.version, then=then)
    except ImageError as error:
        yield str(error)
        return
    yield from map(str, _gone_variants(catalogue, name, pin, pin_file))
    for listed in builds:
        try:
            _check_file(listed, pin, catalogue, pin_file, full)
        except ImageError as error:
            yield f"{pin_file} pins {listed}: {error}"


def _gone_variants(
    catalogue: Catalogue, name: str, pin: Pin, pin_file: Path
) -> Iterator[ImageError]:
    """An error for each variant that the project has used and the catalogue no longer has."""
    for variant, digest in sorted(pin.sha256.items()):
        then = (
            f"This project has used that variant (sha256 {digest}, {pin_file}): ask your admin to "
            "put that file back, or accept that the project goes on without that file: "
            f"`relion-dispatch pin {name} {pin.version}`."
        )
        try:
            catalogue.find(name, pin.version, variant, then=then)
        except ImageError as error:
            yield error


def _check_file(listed: Listed, pin: Pin, catalogue: Catalogue, pin_file: Path, full: bool) -> None:
    recorded, used = listed.build.sha256, pin.sha256.get(listed.build.variant)
    if used and recorded and used != recorded:
        raise ImageError(
            f"this project has used a file with sha256 {used}, but the catalogue {catalogue.path} "
            f"now lists {listed.path} with sha256 {recorded}: ask your admin for the earlier file, "
            f"or accept the new file: `relion-dispatch pin {listed.name} {listed.version}`."
        )
    if not used and not recorded:
        read_header(listed.path)  # there, whole, and a SIF: more is not known of it
        return
    found = verified(ChosenImage.of(listed), used, catalogue.path, pin_file)
    if full and (digest := sha256_of(listed.path)) != found.sha256:
        raise ImageError(
            f"the content of {listed.path} has changed, although its size and time are the same: "
            f"its sha256 is {digest} instead of {found.sha256}; ask your admin to put the earlier "
            "file back, and to check the disk."
        )
