"""Image size from the header of an MRC map or stack.

The 1024 bytes are unpacked with struct, not with mrcfile: mrcfile brings numpy, whose import
costs about 200 ms, and the hook has 150 ms for everything. mrcfile is asked only when a header
is already known to be damaged, because its validator tells the user more than we do.
"""

from __future__ import annotations

import struct
from os import PathLike
from typing import NamedTuple

from ..errors import InputError

__all__ = ["MrcHeader", "read"]

HEADER_BYTES = 1024
WIDEST = 65535  # pixels; RELION's SWAPTRIG: more means the other byte order, and never both fit
# MRC2014 modes, and 101 (4 bits per pixel) of SerialEM; RELION reads all but 3 and 4
MODES = (0, 1, 2, 3, 4, 6, 12, 101)


class MrcHeader(NamedTuple):
    """Extent of an MRC file: columns, rows and sections in pixels, and the data mode.

    ``start``: bytes before the first voxel, the extended header included.
    """

    nx: int
    ny: int
    nz: int
    mode: int
    start: int = HEADER_BYTES


def read(path: str | PathLike[str]) -> MrcHeader:
    """Read the header of the MRC map or stack (``.mrc``, ``.mrcs``) at ``path``.

    The byte order is the one in which sizes and mode make sense, as in RELION
    (``parseMRCHeader`` in ``src/rwMRC.h``, 3.1 to 5.0): the machine stamp is missing from files
    of old programs and wrong in others, and no width up to 65535 is sensible in both orders.
    Raises InputError with the path and what is wrong when the file cannot be opened, is shorter
    than a header, or holds no sensible sizes in either byte order.
    """
    try:
        with open(path, "rb") as stream:
            header = stream.read(HEADER_BYTES)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"{path} cannot be read ({reason}); check that the images are still where they were."
        ) from error
    if len(header) < HEADER_BYTES:
        raise InputError(
            f"{path} has {len(header)} bytes, fewer than the {HEADER_BYTES} of an MRC header; "
            "it was not written completely, make it again."
        )
    for order in (">", "<"):
        nx, ny, nz, mode = struct.unpack(order + "4i", header[:16])
        if mode in MODES and 0 < nx <= WIDEST and 0 < ny <= WIDEST and nz > 0:
            (extended,) = struct.unpack(order + "i", header[92:96])
            return MrcHeader(nx, ny, nz, mode, HEADER_BYTES + max(0, extended))
    raise InputError(
        f"{path} has a damaged MRC header: size {nx} x {ny} x {nz}, mode {mode}"
        f"{_diagnosis(path)}; make the file again."
    )


def _diagnosis(path: str | PathLike[str]) -> str:
    """What mrcfile's permissive reader says of the file, as ' (...)'; '' if it cannot help."""
    try:
        import warnings

        import mrcfile  # type: ignore[import-untyped]

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with mrcfile.open(path, permissive=True, header_only=True):
                pass
    except Exception:  # any failure of the second opinion leaves the first one standing
        return ""
    said = "; ".join(str(warning.message) for warning in caught)
    return f" ({said})" if said else ""
