"""The names of images and STAR files as RELION takes them apart: number, file, format.

RELION decides by the name alone how it reads a file (``FileName::decompose``, ``getFileFormat`` and
``removeFileFormat`` in filename.cpp, ``openFile`` and ``_read`` in image.h; 3.1 to 5.0):
``000012@Extract/a.dat:mrcs`` is image 12 of the file Extract/a.dat, read as an MRC stack.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from ..errors import InputError
from ..units import whole_number

__all__ = [
    "FileName",
    "file_name",
    "files_opened",
    "image_kind",
    "is_star",
    "spider_until_now",
    "title",
]

Kind = Literal["stack", "map", "TIFF", "SPIDER", "Imagic"]


class _Known(NamedTuple):
    """Formats that RELION reads in one way: those that contain one of ``parts``.

    ``kind`` is None for formats of which RELION reads no particles and no references. RELION has
    known the formats ``since`` that version (major, minor).
    """

    parts: tuple[str, ...]
    kind: Kind | None
    since: tuple[int, int] = (3, 1)


# In the order in which RELION asks (Image::_read, image.h of 3.1.4, 4.0.2 and 5.0.1).
_KNOWN = (
    _Known(("spi", "xmp", "stk", "vol"), "SPIDER"),
    _Known(("bz2", "xz", "zst"), None, (4, 0)),
    _Known(("mrcs",), "stack"),
    _Known(("st",), "stack", (4, 0)),
    _Known(("tif",), "TIFF"),
    _Known(("mrc",), "map"),
    _Known(("map",), "map", (5, 0)),
    _Known(("img", "hed"), "Imagic"),
    _Known(("dm", "eer", "ecc"), None),
)
_UNKNOWN = _Known((), "SPIDER")


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
    numbered = bool(at) and re.fullmatch("[0-9]*", digits) is not None
    path, colon, given = (rest if numbered else text).rpartition(":")
    if not colon:
        path = given
        given = given.rpartition(".")[2] if "." in given else ""
    number = whole_number(digits or "0") if numbered else None
    return FileName(path.partition("%")[0], given.lower(), number)


def is_star(text: str) -> bool:
    """Whether RELION takes the name for a STAR file's: a.star, a.STAR, a.txt:star."""
    return file_name(text).format == "star" and "@" not in text and "#" not in text


def files_opened(name: FileName) -> tuple[str, ...]:
    """The files that must be there for RELION to open an image of that name.

    The file itself is asked for in any case; then RELION opens the two files of Imagic, and for a
    name without an ending the one with ``.spi`` (``fImageHandler::openFile``, image.h, 3.1 to 5.0).
    """
    others: tuple[str, ...] = ()
    if "img" in name.format or "hed" in name.format:
        stem, dot, _ = name.path.rpartition(".")
        stem = stem if dot else name.path
        others = (f"{stem}.hed", f"{stem}.img")
    elif not name.format:
        others = (f"{name.path}.spi",)
    return tuple(dict.fromkeys((name.path, *others)))


def _known(name: FileName, relion: tuple[int, int] | None) -> _Known:
    """The formats among which that RELION counts the name's; None is the newest RELION."""
    for known in _KNOWN:
        new_enough = relion is None or relion >= known.since
        if new_enough and any(part in name.format for part in known.parts):
            return known
    return _UNKNOWN


def image_kind(text: str, relion: tuple[int, int] | None = None) -> Kind:
    """As what RELION reads the image or map of that name; what it does not know is SPIDER.

    `relion`: major and minor of the RELION that will run, None for the newest.

    Raises:
        InputError: RELION reads no image of such a name.
    """
    name = file_name(text)
    if "#" in text:
        raise InputError(
            f"{text} has a # in its name, which RELION takes for a mark of raw data and does not "
            "read; rename the file."
        )
    kind = _known(name, relion).kind
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


def spider_until_now(text: str, relion: tuple[int, int]) -> str | None:
    """A sentence if that RELION reads as SPIDER what a newer one reads as MRC; None if not."""
    name = file_name(text)
    newest = _known(name, None)
    if _known(name, relion).kind != "SPIDER" or newest.kind not in ("stack", "map"):
        return None
    suffix = "mrc" if newest.kind == "map" and name.number is None else "mrcs"
    this, new = (".".join(map(str, version)) for version in (relion, newest.since))
    return (
        f"RELION {this} reads {text} as a SPIDER file, and RELION {new} and newer as MRC: write "
        f"{text}:{suffix}, or rename the file to .{suffix}."
    )


def title(kind: Kind) -> str:
    """The kind as words of a sentence: 'a SPIDER file'."""
    return f"an {kind} file" if kind == "Imagic" else f"a {kind} file"
