"""RELION's own source from a folder: for machines that cannot fetch it from GitHub."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from ...config.json_files import nearest
from ...errors import ImageError
from ...host.regular_files import opened_input
from ..container import mount_option
from .files import archive_in

__all__ = ["BOUND", "bound_archive"]

# Every Debian and Ubuntu has it: Apptainer stops a build whose base lacks the bound folder.
BOUND = "/mnt"
_WANTED = ("archive", "version")  # arguments of a definition that takes RELION's archive


def bound_archive(folder: Path, work: Path, values: Mapping[str, str], what: str) -> str:
    """Copy RELION's archive from the folder into the build's; the option that binds the copy.

    `values` are the arguments of the definition of `what`: the archive is VERSION.tar.gz, or
    relion-VERSION.tar.gz, as browsers save it, and its digest is the argument `sha256`.

    Raises:
        ImageError: the definition takes no archive, the folder has none that can be read, or it is
            another one.
        WriteError: it cannot be copied.
    """
    if not set(_WANTED) <= set(values):
        raise ImageError(
            f"{what} is not built from RELION's source, so there is no archive for it to be built "
            "from: leave out --archive."
        )
    version = values["version"]
    address = f"{values['archive']}/{version}.tar.gz"
    file = _found(folder, version, address)
    try:
        with opened_input(file) as stream:
            copy = archive_in(work, f"{version}.tar.gz", stream)
    except OSError as error:
        raise ImageError(
            f"RELION's archive {file} cannot be read ({error.strerror}): correct its permissions, "
            "or copy the file anew."
        ) from error
    with copy.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if (wanted := values.get("sha256", digest)) != digest:
        raise ImageError(
            f"{file} is not the archive of RELION {version} that its recipe knows: its sha256 is "
            f"{digest}, but the recipe has {wanted}. Fetch the file again from {address}."
        )
    return mount_option(str(copy.parent), read_only=True, destination=BOUND)


def _found(folder: Path, version: str, address: str) -> Path:
    names = [f"{version}.tar.gz", f"relion-{version}.tar.gz"]
    try:
        there = [each.name for each in folder.iterdir()]
    except NotADirectoryError:
        raise ImageError(
            f"{folder} is a file: name the folder that it lies in with --archive."
        ) from None
    except OSError as error:
        raise ImageError(
            f"The folder {folder} cannot be read ({error.strerror}): name the folder that has "
            "RELION's archive with --archive, one that you may read."
        ) from error
    for name in names:
        if name in there:
            return folder / name
    raise ImageError(
        f"The folder {folder} has no archive of RELION {version}, neither {names[0]} nor "
        f"{names[1]}{nearest(names[0], there)}: fetch {address} on a machine with internet, and "
        "copy the file into that folder."
    )
