"""Is an image's file the one that was added to the catalogue and that a project has used?

Ten gigabytes are not hashed for each job: a file whose size, time and SIF id are those recorded
with its digest counts as unchanged. Any other file is hashed, once for each user and each state
of the file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import stat
from collections.abc import Callable
from pathlib import Path

from ..config.catalogue import ImageFile
from ..errors import ImageError
from ..host.kept_data import keep, kept
from ..host.shared_files import opened_input
from .choice import ChosenImage
from .sif import SifHeader, read_header

__all__ = ["digest_now", "sha256_of", "usable", "verified"]


def usable(choice: ChosenImage, pinned: str | None, catalogue: Path, pin_file: Path) -> ChosenImage:
    """The choice as :func:`verified` gives it, once its folder of weights is seen to be there.

    Raises:
        ImageError: the folder is missing, which Apptainer would only say on the node; or as for
            :func:`verified`.
    """
    if choice.weights and not _is_folder(choice.weights):
        raise ImageError(
            f"The folder {choice.weights}, which {catalogue} names as the weights of {choice.name} "
            f"{choice.version} ({choice.variant}), does not exist: ask your admin to put the "
            'folder back, or to correct "weights" in the catalogue.'
        )
    return verified(choice, pinned, catalogue, pin_file)


def verified(
    choice: ChosenImage, pinned: str | None, catalogue: Path, pin_file: Path
) -> ChosenImage:
    """The choice with its file's digest, SIF id and size.

    `pinned` is the digest that the project has used under this version and variant, if any.

    Raises:
        ImageError: the file is missing, cut short or no SIF, changes while it is read, or its
            digest is another than the catalogue's or the pin's.
    """
    header = read_header(choice.path)
    digest = digest_now(choice.path, header, choice.build)
    what = f"{choice.name} {choice.version} ({choice.variant})"
    recorded = choice.build.sha256
    if recorded and digest != recorded:
        raise ImageError(
            f"The image file {choice.path} is not the file that {catalogue} lists as {what}: its "
            f"sha256 is {digest}, but the catalogue has {recorded}; put the listed file back, or "
            "add the new file to the catalogue as another variant or version."
        )
    if pinned and digest != pinned:
        raise ImageError(
            f"The image file {choice.path} is not the file that this project has used as {what}: "
            f"its sha256 is {digest}, but {pin_file} has {pinned}; ask your admin for the earlier "
            f"file, or accept the new file: `relion-dispatch pin {choice.name} {choice.version}`."
        )
    return choice._replace(sha256=digest, sif_id=header.sif_id, size=header.size)


def sha256_of(path: Path, progress: Callable[[int], None] | None = None) -> str:
    """The file's digest, in hexadecimal digits.

    `progress` is told the number of bytes of each piece that was read.

    Raises:
        ImageError: the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with opened_input(path) as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
                if progress:
                    progress(len(block))
    except OSError as error:
        raise ImageError(
            f"The image file {path} cannot be read ({error.strerror}): check the disk and the "
            "permissions of the file."
        ) from error
    return digest.hexdigest()


def _is_folder(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return stat.S_ISDIR(path.stat().st_mode)
    return False


def digest_now(path: Path, header: SifHeader, build: ImageFile | None = None) -> str:
    """The digest that the file has now. It is hashed, unless it is as `build` records it.

    What was hashed is kept, for each user and state of the file.

    Raises:
        ImageError: the file cannot be read, or changes while it is read.
    """
    if build and build.sha256 and build.is_unchanged(header):
        return build.sha256
    name = hashlib.sha256(json.dumps([str(path), header]).encode()).hexdigest()
    found = kept("digests", name) or b""
    if re.fullmatch(b"[0-9a-f]{64}", found):
        return found.decode()
    digest = sha256_of(path)
    if read_header(path) != header:
        raise ImageError(
            f"The image file {path} changed while relion-dispatch read it: wait until the file is "
            "complete, and submit the job again."
        )
    keep("digests", name, digest.encode())
    return digest
