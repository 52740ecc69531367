"""The header of a SIF file, Apptainer's image format: what can be known of it in one short read.

Format: github.com/apptainer/sif, version 2 of its library, global header of format version 01:
launch script 32 bytes, magic 10, format version 3, architecture 3, id 16 (a UUID), then eight
little-endian 64-bit numbers: created, modified, descriptors free, total, offset, size, and the
data's offset and size.
"""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path
from typing import NamedTuple

from ..errors import ImageError

__all__ = ["SifHeader", "ours", "read_header"]


_HEADER = struct.Struct("<32s10s3s3s16s8q")
_MAGIC = b"SIF_MAGIC\0"
_ARCHITECTURES = {
    b"01": "386",
    b"02": "amd64",
    b"03": "arm",
    b"04": "arm64",
    b"05": "ppc64",
    b"06": "ppc64le",
    b"07": "mips",
    b"08": "mipsle",
    b"09": "mips64",
    b"10": "mips64le",
    b"11": "s390x",
    b"12": "riscv64",
}

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


class SifHeader(NamedTuple):
    """What a SIF's header and its directory entry say.

    Attributes:
        sif_id: the id given at its build, 32 hexadecimal digits; signing keeps it.
        architecture: as Go names it ("amd64"), "unknown" for a code that is not known here.
        size: of the file, in bytes.
        mtime: when the file was last written, nanoseconds since 1970.
    """

    sif_id: str
    architecture: str
    size: int
    mtime: int


def ours() -> str:
    """This machine's architecture, as Go names it."""
    return _MACHINES.get(os.uname().machine, os.uname().machine)


def _at_once(path: str, flags: int) -> int:
    """Open the file; a pipe is not waited for."""
    return os.open(path, flags | os.O_NONBLOCK)


def read_header(path: Path) -> SifHeader:
    """Read the header of the SIF at `path`.

    Raises:
        ImageError: the file cannot be read, is not a SIF, or is shorter than its header says.
    """
    try:
        with open(path, "rb", opener=_at_once) as stream:
            found = os.fstat(stream.fileno())
            raw = stream.read(_HEADER.size) if stat.S_ISREG(found.st_mode) else b""
    except OSError as error:
        raise ImageError(
            f"The image file {path} cannot be read ({error.strerror}): put the file back, or "
            "correct its path or its permissions."
        ) from error
    if len(raw) < _HEADER.size or not raw[32:].startswith(_MAGIC):
        raise ImageError(
            f"{path} is not a SIF file (an Apptainer image): name the file that `apptainer build` "
            "wrote, or copy the file again."
        )
    _, _, _, architecture, sif_id, *numbers = _HEADER.unpack(raw)
    *_, descriptors_at, descriptors, data_at, data = numbers
    complete = max(descriptors_at + descriptors, data_at + data)
    if found.st_size < complete:
        raise ImageError(
            f"The image file {path} is cut short: the file has {found.st_size} of {complete} "
            "bytes; copy or build the file again."
        )
    return SifHeader(
        sif_id.hex(),
        _ARCHITECTURES.get(architecture[:2], "unknown"),
        found.st_size,
        found.st_mtime_ns,
    )
