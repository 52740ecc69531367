"""The names of images and STAR files as RELION takes them apart: number, file, format.

RELION decides by the name alone how it reads a file (``FileName::decompose``, ``getFileFormat`` and
``removeFileFormat`` in filename.cpp, ``openFile`` and ``_read`` in image.h; 3.1 to 5.0):
``000012@Extract/a.dat:mrcs`` is image 12 of the file Extract/a.dat, read as an MRC stack.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from ..errors import InputError

__all__ = ["FileName", "file_name", "image_kind", "is_star", "spider_for_3_1", "title"]

Kind = Literal["stack", "map", "TIFF", "SPIDER", "Imagic"]

# What RELION asks of the format, in its order: does the format contain one of these?
_KINDS: tuple[tuple[tuple[str, ...], Kind | None], ...] = (
    (("spi", "xmp", "stk", "vol"), "SPIDER"),
    (("bz2", "xz", "zst"), None),
    (("mrcs", "st"), "stack"),
    (("tif",), "TIFF"),
    (("mrc", "map"), "map"),
    (("img", "hed"), "Imagic"),
    (("dm", "eer", "ecc"), None),
)


class FileName(NamedTuple):
    """A name, taken apart.

    Attributes:
        path: of the file, as written, without number and format.
        format: in small letters; '' for a name without ending.
        number: of the image in the stack, from 1; None for a name without ``@``.
    """

    path: str
    format: str
    number: int | None = None


def file_name(text: str) -> FileName:
    """``7@a.dat:MRCS`` → path a.dat, format mrcs, number 7.

    The format is what stands behind the last ``:``, else behind the last ``.``. An ``@`` behind
    anything but digits belongs to the file's name, and so does no ``%`` nor what follows it.
    """
    digits, at, rest = text.partition("@")
    numbered = bool(at) and digits.isascii() and (digits.isdigit() or not digits)
    path, colon, given = (rest if numbered else text).rpartition(":")
    if not colon:
        path = given
        given = given.rpartition(".")[2] if "." in given else ""
    number = int(digits or 0) if numbered else None
    return FileName(path.partition("%")[0], given.lower(), number)


def is_star(text: str) -> bool:
    """Whether RELION takes the name for a STAR file's: a.star, a.STAR, a.txt:star."""
    return file_name(text).format == "star" and "@" not in text and "#" not in text


def image_kind(text: str) -> Kind:
    """As what RELION reads the image or map of that name.

    What RELION does not know is read as SPIDER. Formats with ``st`` or ``map`` are MRC's from
    RELION 4.0 on (:func:`spider_for_3_1`).

    Raises:
        InputError: RELION reads no image of such a name.
    """
    name = file_name(text)
    if "#" in text:
        raise InputError(
            f"{text} has a # in its name, which RELION takes for a mark of raw data and does not "
            "read; rename the file."
        )
    kind: Kind | None = "SPIDER"
    for parts, its_kind in _KINDS:
        if any(part in name.format for part in parts):
            kind = its_kind
            break
    if kind is None:
        raise InputError(
            f"{text} is of the format {name.format}, which RELION does not read as particles or "
            "references; convert the file to MRC."
        )
    if kind == "map" and name.number is not None:
        raise InputError(
            f"{text} is one image of a stack, but RELION takes {name.format} for the format of 3D "
            f"maps; write {text}:mrcs, or rename the file to .mrcs."
        )
    return kind


def spider_for_3_1(text: str) -> str | None:
    """A sentence if RELION 3.1 reads as SPIDER what newer versions read as MRC; None if not."""
    kind = image_kind(text)
    if kind not in ("stack", "map") or "mrc" in file_name(text).format:
        return None
    suffix = "mrcs" if kind == "stack" else "mrc"
    return (
        f"RELION 3.1 reads {text} as a SPIDER file, and newer versions as MRC: write "
        f"{text}:{suffix}, or rename the file to .{suffix}."
    )


def title(kind: Kind) -> str:
    """The kind as words of a sentence: 'a SPIDER file'."""
    return f"an {kind} file" if kind == "Imagic" else f"a {kind} file"
