"""Setting up an exported site in the site's folder here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from . import image_build
from .atomic_files import write_atomically
from .errors import DispatchError, InputError, WriteError
from .image_search import find_image, find_weights
from .recipes import find
from .shipped import site_folder
from .sif import read_header
from .site import Site
from .site_comparison import same_but_for_places
from .site_file import ExportedImage, ExportedText, SiteFile

__all__ = ["Place", "build_missing", "find_places", "write_site"]


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


def build_missing(places: Sequence[Place], site: Site) -> Iterator[str]:
    """Build the images that were not found from their recipes; a sentence for each.

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
            order = image_build.Order(
                image.name, image.version, recipe, {}, None, output, replace=True
            )
            image_build.build(order, site)
        except DispatchError as error:
            yield f"{image} was not built: {error}"
        else:
            yield f"{image} was built anew, as {output}."


def write_site(exported: SiteFile, places: Sequence[Place]) -> None:
    """Write the site's own files; images.json names the images where they are now.

    Raises:
        InputError: the site's folder has another such file already; nothing is written then.
        WriteError: it cannot be written.
    """
    contents = {text.path: _content(text, places) for text in exported.site}
    folder = site_folder()
    for text in exported.site:
        path = folder / text.path
        if path.exists() and not _may_go(path.read_bytes(), contents[text.path]):
            raise InputError(
                f"{path} is there already and says something else than the exported site: set the "
                "site up in an empty folder, or move this one away."
            )
    for text in sorted(exported.site, key=lambda text: text.path == "images.json"):
        path = folder / text.path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, contents[text.path])
            path.chmod(0o755 if text.executable else 0o644)
        except OSError as error:
            raise WriteError(
                f"{path} cannot be written ({error.strerror}): mend the folder's permissions, and "
                "set the site up again."
            ) from error


def _content(text: ExportedText, places: Sequence[Place]) -> bytes:
    """The text's bytes, images.json with the places of images that are not as exported."""
    if text.path != "images.json":
        return text.raw
    content = json.loads(text.raw, object_pairs_hook=_with_comments)
    changed = [place for place in places if _entered(content, place)]
    if not changed:
        return text.raw
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def _entered(content: dict[str, Any], place: Place) -> bool:
    """Enter path, weights and time of the image into its entry; whether that changed anything."""
    image = place.image
    if place.path is None:
        return False
    before: dict[str, Any] = {}
    for build in content[image.name]["versions"][image.version]:
        if build["variant"] != image.variant:
            continue
        before = dict(build)
        if site_folder() / build["path"] != place.path:
            build["path"] = str(place.path)
        if place.weights and site_folder() / build["weights"] != place.weights:
            build["weights"] = str(place.weights)
        if "mtime" in build:
            build["mtime"] = read_header(place.path).mtime
        return bool(build != before)
    return False


def _may_go(found: bytes, content: bytes) -> bool:
    """Whether nothing is lost when `found` is replaced by `content`."""
    try:
        only_comments = set(json.loads(found)) <= {"__comment__"}
    except (ValueError, TypeError):
        only_comments = False
    return found == content or only_comments or same_but_for_places(found, content)


def _with_comments(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose repeated ``__comment__`` keys become one list."""
    comments = [value for key, value in pairs if key == "__comment__"]
    found = dict(pairs)
    if len(comments) > 1:
        found["__comment__"] = comments
    return found
