"""Whether a project's pins, the catalogue and the image files still belong together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ..config.catalogue import Catalogue, ImageFile
from ..config.json_files import nearest
from ..errors import ImageError
from .choice import ChosenImage
from .integrity import sha256_of, verified
from .pins import PIN_FILE, Pin
from .sif import read_header

__all__ = ["differences"]


def differences(
    project: Path, pinned: Mapping[str, Pin], catalogue: Catalogue, full: bool = False
) -> Iterator[str]:
    """Where they do not, a sentence for each place, with the way out.

    A file is hashed only when its size, time or SIF id are not those recorded with its digest;
    with `full`, each file that the catalogue or a pin knows the digest of is hashed.
    """
    for name, pin in pinned.items():
        yield from _of_pin(project / PIN_FILE, name, pin, catalogue, full)


def _of_pin(pin_file: Path, name: str, pin: Pin, catalogue: Catalogue, full: bool) -> Iterator[str]:
    pinned = f"{pin_file} pins {name} {pin.version}"
    image = catalogue.images.get(name)
    if image is None:
        known = nearest(name, list(catalogue.images))
        yield (
            f"{pinned}, but the catalogue {catalogue.path} has no image of that name{known or ':'} "
            "ask your admin to put it back, or take the entry out of the pin file."
        )
        return
    if pin.version not in image.versions:
        yield (
            f"{pinned}, which is not in the catalogue {catalogue.path} (it has "
            f"{', '.join(image.versions)}): ask your admin to put that version back, or move the "
            f"project with `relion-dispatch pin {name} VERSION`."
        )
        return
    builds = image.versions[pin.version]
    gone = [variant for variant in pin.sha256 if variant not in [b.variant for b in builds]]
    for variant in gone:
        yield (
            f"{pinned}, whose variant {variant} this project has used (sha256 "
            f"{pin.sha256[variant]}), and the catalogue {catalogue.path} has no such variant any "
            "more: ask your admin to put it back, or go on without it knowingly: "
            f"`relion-dispatch pin {name} {pin.version}`."
        )
    for build in builds:
        choice = ChosenImage(name, pin.version, build, catalogue.path.parent / build.path, "")
        try:
            _check_file(choice, build, pin, catalogue, pin_file, full)
        except ImageError as error:
            yield f"{pinned} ({build.variant}): {error}"


def _check_file(
    choice: ChosenImage,
    build: ImageFile,
    pin: Pin,
    catalogue: Catalogue,
    pin_file: Path,
    full: bool,
) -> None:
    used = pin.sha256.get(build.variant)
    if used and build.sha256 and used != build.sha256:
        raise ImageError(
            f"this project has used a file with sha256 {used}, and the catalogue "
            f"{catalogue.path} now lists {choice.path} with {build.sha256}: ask your admin for the "
            "file of before, or go on with the new one knowingly: "
            f"`relion-dispatch pin {choice.name} {choice.version}`."
        )
    if not used and not build.sha256:
        read_header(choice.path)  # there, whole, and a SIF: more is not known of it
        return
    found = verified(choice, used, catalogue.path, pin_file)
    if full and (digest := sha256_of(choice.path)) != found.sha256:
        raise ImageError(
            f"the content of {choice.path} has changed without a trace in its size and time: its "
            f"sha256 is {digest} instead of {found.sha256}; ask your admin to put the file back "
            "and to look at the disk."
        )
