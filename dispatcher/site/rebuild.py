"""Setting up an exported site in the site's folder here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ..config.json_edit import held
from ..config.places import site_folder
from ..config.site import Site
from ..errors import DispatchError, InputError, WriteError
from ..host.atomic_files import write_atomically
from ..images.building import build as image_build
from ..images.building.recipes import find
from ..images.edit_catalogue import edit, entry
from ..images.sif import read_header
from .comparison import same_but_for_places
from .file import ExportedImage, ExportedText, SiteFile
from .image_search import find_image, find_weights

__all__ = ["Place", "build_missing", "enter_places", "find_places", "write_texts"]


class Place(NamedTuple):
    """Where an exported image lies here, and its weights; None where they were not found."""

    image: ExportedImage
    path: Path | None
    weights: Path | None


def find_places(exported: SiteFile, folders: Sequence[Path]) -> list[Place]:
    """Look for each image at its exported path, then in and below `folders`, by digest."""
    places = []
    for image in exported.images:
        found = find_image(image, folders)
        places.append(Place(image, found, find_weights(image, found, folders)))
    return places


def write_texts(exported: SiteFile) -> Iterator[Path]:
    """Write the site's own files, byte for byte; yields the path of each that it wrote.

    An images.json that lists the same files elsewhere stays: the site was set up here before.

    Raises:
        InputError: the site's folder has another such file already; nothing is written then.
        WriteError: it cannot be written.
    """
    for text in [text for text in exported.site if _is_needed(text)]:
        path = site_folder() / text.path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if text.path == "images.json":
                with held(path, "catalogue"):  # another admin may have added an image meanwhile
                    if _is_needed(text):
                        _write(path, text)
            else:
                _write(path, text)
        except OSError as error:
            raise WriteError(
                f"{path} cannot be written ({error.strerror}): mend the folder's permissions, and "
                "set the site up again."
            ) from error
        yield path


def _write(path: Path, text: ExportedText) -> None:
    write_atomically(path, text.raw, "and set the site up again.")
    path.chmod(0o755 if text.executable else 0o644)


def _is_needed(text: ExportedText) -> bool:
    path = site_folder() / text.path
    if not path.exists():
        return True
    found = path.read_bytes() if path.is_file() else b""
    if found == text.raw or (text.path == "images.json" and same_but_for_places(found, text.raw)):
        return False
    if _only_comments(found):
        return True
    raise InputError(
        f"{path} is there already and says something else than the exported site: set the site up "
        "in an empty folder, or move this one away."
    )


def _only_comments(found: bytes) -> bool:
    """Whether the file is an example that says nothing yet."""
    try:
        return set(json.loads(found)) <= {"__comment__"}
    except (ValueError, TypeError):
        return False


def enter_places(places: Sequence[Place]) -> None:
    """Enter into images.json where images and weights are now, and the times of their files.

    Images that were not found stay as they are written there.

    Raises:
        ConfigError: images.json does not load.
        WriteError: it cannot be written.
    """
    folder = site_folder()
    if not any(place.path for place in places):
        return
    with edit() as content:
        for image, path, weights in places:
            listed = entry(content, image.name, image.version, image.variant)
            if path is None or listed is None:
                continue
            if folder / listed["path"] != path:
                listed["path"] = str(path)
            if weights and folder / listed["weights"] != weights:
                listed["weights"] = str(weights)
            if "mtime" in listed:
                listed["mtime"] = read_header(path).mtime


def build_missing(places: Sequence[Place], site: Site) -> Iterator[tuple[str, Path | None]]:
    """Build the images that were not found from their recipes; a sentence, and the file, of each.

    What is built has another digest than the exported file: jobs of projects pinned to that are
    refused until the pin is moved.
    """
    for place in places:
        if place.path is not None:
            continue
        image = place.image
        name = f"{image.name}-{image.version}-{image.variant}.sif"
        try:
            recipe = find(image.name, image.version, image.variant)
            output = site_folder() / "images" / name
            order = image_build.BuildRequest(
                image.name, image.version, recipe, {}, None, output, replace=True
            )
            image_build.build(order, site)
        except DispatchError as error:
            yield f"{image} was not built: {error}", None
        else:
            yield f"{image} was built anew, as {output}.", output
