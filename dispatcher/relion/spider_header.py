"""Is a file SPIDER's? By the check that RELION makes of its header."""

from __future__ import annotations

import struct
from contextlib import suppress
from pathlib import Path

from ..host.shared_files import opened_input

__all__ = ["is_spider"]

_WORDS = 23  # 4-byte floats at the file's beginning, in the byte order of its machine
_LABREC, _LABBYT, _LENBYT = 12, 21, 22  # records of the header, its bytes, bytes of a record


def is_spider(path: Path) -> bool:
    """Whether the file is there, and RELION would take its header for SPIDER's.

    The header's records have as many bytes as the header (``readSPIDER``, rwSPIDER.h, 3.1 to 5.0).
    RELION also takes a header of no bytes, which is not one of a file that holds an image.
    """
    with suppress(OSError, struct.error):
        with opened_input(path) as stream:
            raw = stream.read(4 * _WORDS)
        for order in "<>":
            words = struct.unpack(f"{order}{_WORDS}f", raw)
            if words[_LABBYT] >= 1 and words[_LABBYT] == words[_LABREC] * words[_LENBYT]:
                return True
    return False
