"""What the site here consists of: versions, files, and images with their digests."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from .. import __version__
from ..config.catalogue import Catalogue, ImageFile
from ..config.configuration import load_configuration
from ..config.places import code_digest, shipped_folder, site_folder
from ..errors import ImageError, InputError
from ..host.programs import in_appliance
from ..images import apptainer
from ..images.integrity import digest_now, sha256_of
from ..images.sif import read_header
from .archive import OWN_FILES, OWN_FOLDERS, SiteArchive, StoredFile
from .window.files import folder as made_from_site

__all__ = [
    "APPTAINER",
    "FORM",
    "Item",
    "export_site",
    "files_here",
    "folder_digest",
    "image_items",
    "left_out",
    "software_items",
]

APPTAINER = "Apptainer"  # the item that is its version
FORM = "form"  # how the dispatcher is installed there, which deploy/install.sh reads; not compared
_OWN = (*OWN_FILES, *OWN_FOLDERS)
_SHIPPED = ("config", "job_template", "containers", "deploy/relion_client.sh")


class Item(NamedTuple):
    """A version or sha256, empty if it is not known; `note` says where the thing is, or why not."""

    value: str
    note: str = ""


def export_site() -> tuple[SiteArchive, list[str]]:
    """The site, and a sentence for each image of which something is not known.

    Images are hashed unless their files are as recorded in the catalogue.

    Raises:
        ConfigError: the site's configuration is wrong: such a site is not worth keeping.
        InputError: one of its files cannot be read.
    """
    site, _, catalogue = load_configuration()
    files, images = files_here(), image_items(catalogue)
    warnings = [f"{what}: {item.note}" for what, item in images.items() if not item.value]
    for image in catalogue.builds():
        what, listed = f"image {image}", image.build.sha256
        found = images[what].value
        images[what] = Item(listed or found)
        if found and listed not in (None, found):  # a swapped file is not the site's image
            warnings.append(
                f"{what}: {image.path} is not the file that images.json lists: its sha256 is "
                f"{found}, not {listed}. Put the listed file back."
            )
        elif found:
            try:
                definition = apptainer.definition(site.apptainer.program, image.path)
                files[f"definitions/{found}.def"] = StoredFile(definition.encode())
            except ImageError as error:
                warnings.append(f"{what}: {error}")
    items = software_items(site.apptainer.program) | images
    values = {FORM: "appliance" if in_appliance() else "venv"}
    values |= {what: item.value for what, item in items.items()}
    return SiteArchive(values, files), warnings


def software_items(program: str | None) -> dict[str, Item]:
    """The dispatcher, and the Apptainer that is called `program` here ("none" if there is none).

    Without `program` no Apptainer is asked.
    """
    items = {
        "relion-dispatch": Item(__version__, __version__),
        "relion-dispatch's code": Item(code_digest()),
    }
    if program is not None:
        try:
            version = apptainer.version(program)
        except ImageError:
            version = "none"
        items[APPTAINER] = Item(version, version)
    return items


def files_here() -> dict[str, StoredFile]:
    """The site's own files and the shipped ones, by their paths in an archive.

    Raises:
        InputError: one of them cannot be read.
    """
    places = [("site", site_folder(), _OWN), ("shipped", shipped_folder(), _SHIPPED)]
    found = {}
    for whose, folder, names in places:
        for path in (path for name in names for path in _files(folder / name, _refuse)):
            try:
                file = StoredFile(path.read_bytes(), bool(path.stat().st_mode & 0o100))
            except OSError as error:
                raise InputError(
                    f"{path} cannot be read ({error.strerror}): correct its permissions."
                ) from error
            found[f"{whose}/{path.relative_to(folder)}"] = file
    return found


def _files(path: Path, unreadable: Callable[[OSError], None] | None = None) -> list[Path]:
    """The files at or below `path`: no images, no locks, nothing hidden.

    `unreadable` is told of each folder that cannot be listed.
    """
    walked = os.walk(path, onerror=unreadable) if path.is_dir() else []
    below = sorted(Path(folder, name) for folder, _, names in walked for name in names)
    return [
        each
        for each in (below if path.is_dir() else [path])
        if each.is_file()
        and each.suffix not in (".sif", ".lock", ".pyc")
        and not any(part.startswith(".") for part in each.relative_to(path.parent).parts)
    ]


def _refuse(error: OSError) -> None:
    """An export without the files of a folder would be of another site."""
    raise InputError(
        f"{error.filename} cannot be read ({error.strerror}): correct its permissions."
    ) from error


def left_out() -> list[str]:
    """What in the site's folder is not exported: files that no site has, and links to no file. What
    is made from the others is made again where the site is set up."""
    known = (*_OWN, made_from_site().name)
    top = (path for path in site_folder().glob("*") if path.name not in known)
    below = (path for name in OWN_FOLDERS for path in (site_folder() / name).rglob("*"))
    links = (path for path in below if path.is_symlink() and not path.is_file())
    return sorted(
        [str(path) for path in top if _files(path)]
        + [f"{path} (a link to {path.readlink()}, which is not a file)" for path in links]
    )


def image_items(catalogue: Catalogue) -> dict[str, Item]:
    """The images and their weights, with the digests that their files have now."""
    found = {}
    for image in catalogue.builds():
        found[f"image {image}"] = _item(image.path, partial(_image_digest, image.build))
        if image.weights:
            found[f"weights of {image}"] = _item(image.weights, folder_digest)
    return found


def _item(path: Path, digest: Callable[[Path], str]) -> Item:
    try:
        return Item(digest(path), str(path))
    except ImageError as error:
        return Item("", str(error))


def _image_digest(build: ImageFile, path: Path) -> str:
    return digest_now(path, read_header(path), build)


def folder_digest(folder: Path) -> str:
    """The digest of a folder's files, by their paths in the folder and their content.

    Raises:
        ImageError: there are none, or one of them cannot be read.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        raise ImageError(f"There are no files in the folder {folder}: put the weights back.")
    digests = [f"{sha256_of(path)}  {path.relative_to(folder)}\n" for path in files]
    return hashlib.sha256("".join(digests).encode(errors="surrogateescape")).hexdigest()
