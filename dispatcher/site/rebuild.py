"""Setting up an exported site in the site's folder here."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from ..config.catalogue import Listed
from ..config.json_edit import held
from ..config.json_files import parsed
from ..config.places import site_folder
from ..config.site import Site
from ..errors import ConfigError, DispatchError, ImageError, InputError, WriteError
from ..host.atomic_files import write_atomically
from ..host.shared_trees import make_folders
from ..images.building.build import BuildRequest, build
from ..images.building.recipes import find, is_shipped
from ..images.edit_catalogue import edit, entry, own_catalogue
from ..images.integrity import digest_now
from ..images.sif import read_header
from .archive import LARGEST, SiteArchive
from .comparison import without_places
from .export import folder_digest
from .named_programs import is_default_apptainer

__all__ = ["build_missing", "place_images", "write_files"]


def write_files(exported: SiteArchive) -> Iterator[Path]:
    """Write the site's own files, byte for byte; yields the path of each that it wrote.

    An images.json that lists the same files elsewhere stays: the site was set up here before.

    Raises:
        InputError: the site's folder has another such file already; nothing is written then.
        WriteError: it cannot be written, or another admin is changing images.json.
    """
    folder = site_folder()
    own = [name for name in exported.files if name.startswith("site/")]
    paths = {name: folder / name.removeprefix("site/") for name in own}
    try:
        make_folders(folder)
        with held(folder / "images.json", "catalogue"):
            needed = [name for name in own if _is_needed(paths[name], name, exported)]
            for name in needed:
                path, (content, executable) = paths[name], exported.files[name]
                make_folders(path.parent)
                mode = 0o755 if executable else 0o644
                write_atomically(path, content, "and set the site up again.", mode, shared=True)
                yield path
    except OSError as error:
        raise WriteError(
            f"{folder} cannot be written ({error.strerror}): correct the permissions of that "
            "folder, and set the site up again."
        ) from error


def _is_needed(path: Path, name: str, exported: SiteArchive) -> bool:
    there = next(each for each in (path, *path.parents) if os.path.lexists(each))
    if there != path and there.is_dir():
        return True
    found = there.read_bytes() if there.is_file() and there.stat().st_size <= LARGEST else b""
    if there == path:
        if without_places(name, found) == without_places(name, exported.files[name].content):
            return False
        with suppress(ConfigError):
            if not parsed(found, there):  # an example that says nothing yet
                return True
    raise InputError(
        f"{there} already exists and differs from the exported site: set the site up in an empty "
        "folder, or move this file away."
    )


def place_images(exported: SiteArchive, folders: Sequence[Path]) -> list[Listed]:
    """Enter into images.json where images and weights are now; returns the images not found.

    An image is looked for by its digest, at its path in images.json, then in and below `folders`.

    Raises:
        ConfigError: images.json does not load.
        WriteError: it cannot be written.
    """
    images = list(own_catalogue().builds())
    places = {image: _places(image, exported.values, folders) for image in images}
    if any(places.values()):
        with edit() as content:
            for image, changed in places.items():
                listed = entry(content, image.name, image.version, image.build.variant) or {}
                listed.update({key: changed[key] for key in listed.keys() & changed.keys()})
    return [image for image in images if not places[image]]


def _places(
    image: Listed, digests: Mapping[str, str], folders: Sequence[Path]
) -> dict[str, str | int]:
    """What images.json is to say of the image here; nothing if its file is not found."""
    below = (path.absolute() for folder in folders for path in sorted(folder.rglob("*")))
    digest = partial(_digest, image.build.size)
    path = _first((image.path, *below), digest, digests.get(f"image {image}"))
    if path is None:
        return {}
    changed: dict[str, str | int] = {"mtime": read_header(path).mtime}
    if path != image.path:
        changed["path"] = str(path)
    if image.weights:
        beside = [folder.absolute() / image.weights.name for folder in (path.parent, *folders)]
        wanted = digests.get(f"weights of {image}")
        weights = _first((image.weights, *beside), folder_digest, wanted)
        if weights and weights != image.weights:
            changed["weights"] = str(weights)
    return changed


def _digest(size: int | None, path: Path) -> str:
    """The digest of an image, empty if it has another size: not every file is hashed."""
    header = read_header(path)
    return digest_now(path, header) if size in (None, header.size) else ""


def _first(paths: Iterable[Path], digest: Callable[[Path], str], wanted: str | None) -> Path | None:
    """The first of the paths that has the digest; `wanted` is empty or None if there is none."""
    for path in paths:
        with suppress(ImageError):
            if wanted and digest(path) == wanted:
                return path
    return None


def build_missing(
    images: Sequence[Listed], site: Site
) -> Iterator[tuple[Listed, Path | DispatchError]]:
    """Build these images from their recipes: the file of each, or why there is none.

    Nothing is built by an Apptainer that the site itself names, nor by a recipe of the site: it may
    be a stranger's, and %pre and %setup of a definition run on this machine, outside any container.

    What is built has another digest than the exported file: jobs of projects pinned to that are
    refused until the pin is moved.
    """
    for image in images:
        name, version, variant = image.name, image.version, image.build.variant
        if not is_default_apptainer(site):
            yield (
                image,
                InputError(
                    f'site.json names its own Apptainer ("apptainer.program": '
                    f'"{site.apptainer.program}"), and an import runs no program of the site: look '
                    f"at that program, and then run `relion-dispatch images build {name} {version} "
                    f"--variant {variant}`."
                ),
            )
            continue
        output = site_folder() / "images" / f"{name}-{version}-{variant}.sif"
        try:
            recipe = find(name, version, variant)
            if not is_shipped(name, recipe):
                raise InputError(
                    f"the site has its own recipe for it, and an import runs no program of the "
                    f"site: look at the definition {recipe.definition}, parts of which run outside "
                    f"of the container, and then run `relion-dispatch images build {name} "
                    f"{version} --variant {variant}`."
                )
            build(BuildRequest(name, version, recipe, {}, None, output, replace=True), site)
        except DispatchError as error:
            yield image, error
        else:
            yield image, output
