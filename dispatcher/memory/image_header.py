"""Image size from the header of an MRC map or stack, as mrcfile reads it.

mrcfile is imported in the function: it brings numpy, which most jobs do without.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from os import PathLike
from typing import NamedTuple

from ..config.largest import WIDEST
from ..errors import InputError
from ..host.shared_files import opened_input

__all__ = ["ImageHeader", "image_header"]

THREADS = "OPENBLAS_NUM_THREADS"
HEADER_BYTES = 1024
EXTENDED_BYTES = slice(92, 96)  # how long the extended header is (nsymbt)
# MRC2014 modes, and 101 (4 bits per pixel) of SerialEM; RELION reads all but 3 and 4
MODES = (0, 1, 2, 3, 4, 6, 12, 101)


class ImageHeader(NamedTuple):
    """Extent of an MRC file: columns, rows and sections in pixels, and the data mode.

    ``start``: bytes before the first voxel, the extended header included.
    """

    nx: int
    ny: int
    nz: int
    mode: int
    start: int = HEADER_BYTES


def image_header(path: str | PathLike[str]) -> ImageHeader:
    """Read the header of the MRC map or stack (``.mrc``, ``.mrcs``) at ``path``.

    The byte order is the one in which sizes and mode make sense, as in RELION
    (``parseMRCHeader`` in ``src/rwMRC.h``, 3.1 to 5.0): the machine stamp, which mrcfile goes by,
    is missing from files of old programs and wrong in others, and no width up to 65535 is sensible
    in both orders. Raises InputError with the path and what is wrong when the file cannot be
    opened, is shorter than a header, or holds no sensible sizes in either byte order.
    """
    try:
        with opened_input(path) as stream:
            raw = bytearray(stream.read(HEADER_BYTES))
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"{path} cannot be read ({reason}); check that the image files were not moved or "
            "deleted."
        ) from error
    if len(raw) < HEADER_BYTES:
        raise InputError(
            f"{path} has {len(raw)} bytes, fewer than the {HEADER_BYTES} of an MRC header, so the "
            "file was not written completely; write the file again."
        )
    return _understood(raw, path)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Have numpy, when it is imported here, start no further threads.

    Its OpenBLAS starts one for each core, and ends the process if the limits of a login node allow
    fewer. The variable is taken away again, or submitted jobs would inherit it.
    """
    given = os.environ.get(THREADS)
    os.environ[THREADS] = "1"
    try:
        yield
    finally:
        if given is None:
            del os.environ[THREADS]
        else:
            os.environ[THREADS] = given


def _understood(raw: bytearray, path: str | PathLike[str]) -> ImageHeader:
    import warnings

    with _one_thread():
        import numpy
        from mrcfile.mrcinterpreter import MrcInterpreter  # type: ignore[import-untyped]

    # mrcfile takes memory for an extended header as long as the header says: up to 2 GB.
    extended, raw[EXTENDED_BYTES] = bytes(raw[EXTENDED_BYTES]), bytes(4)
    with warnings.catch_warnings(record=True) as caught, BytesIO(raw) as stream:
        warnings.simplefilter("always")
        reader = MrcInterpreter(stream, permissive=True, header_only=True)
        by_stamp = reader.header
    for header in (by_stamp, by_stamp.view(by_stamp.dtype.newbyteorder())):
        nx, ny, nz, mode = (int(header[name]) for name in ("nx", "ny", "nz", "mode"))
        if mode in MODES and 0 < nx <= WIDEST and 0 < ny <= WIDEST and nz > 0:
            (length,) = numpy.frombuffer(extended, header.dtype["nsymbt"])
            return ImageHeader(nx, ny, nz, mode, HEADER_BYTES + max(0, int(length)))
    size = " x ".join(str(by_stamp[name]) for name in ("nx", "ny", "nz"))
    said = "; ".join(str(warning.message) for warning in caught)
    raise InputError(
        f"{path} has a damaged MRC header: size {size}, mode "
        f"{by_stamp['mode']}{f' ({said})' if said else ''}; write the file again."
    )
