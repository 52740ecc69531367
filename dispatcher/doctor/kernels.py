"""For which GPUs have programs of an image CUDA's kernels?

CUDA's compiler puts its kernels into a program as "fat binaries": a header of 16 bytes (magic,
version 1, header's size, size of what follows), then entries, each with its kind (1: PTX, which the
driver compiles; 2: compiled), its own sizes, and at byte 28 the architecture, such as 86 for 8.6.
Seen in RELION 3.1.3 of Debian, built by CUDA 11.8 for 3.5.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["Kernels", "capability_of", "kernels_in", "kernels_of_files"]

_MAGIC = struct.pack("<I", 0xBA55ED50)
_HEADER = struct.Struct("<IHHQ")
_ENTRY = struct.Struct("<HHIQ12xI")  # kind, -, header's size, size of the content, architecture
_PTX, _COMPILED = 1, 2


class Kernels(NamedTuple):
    """Architectures, as 86 for compute capability 8.6."""

    compiled: frozenset[int] = frozenset()
    ptx: frozenset[int] = frozenset()

    def run_on(self, capability: int) -> bool:
        """Whether a card of that compute capability has kernels: compiled ones run on later cards
        of the same generation, PTX on all later cards.

        >>> Kernels(frozenset({70, 80})).run_on(86), Kernels(frozenset({70, 80})).run_on(90)
        (True, False)
        """
        same = (each for each in self.compiled if each // 10 == capability // 10)
        return any(each <= capability for each in (*same, *self.ptx))

    def __bool__(self) -> bool:
        return bool(self.compiled or self.ptx)


def capability_of(text: str) -> int | None:
    """The number of a compute capability: "8.6" is 86; None for any other text."""
    found = re.fullmatch(r"(\d+)\.(\d)", text.strip())
    return int(found[1]) * 10 + int(found[2]) if found else None


def kernels_of_files(paths: Iterable[Path]) -> Kernels:
    """The kernels in these files; files that cannot be read have none."""
    compiled: set[int] = set()
    ptx: set[int] = set()
    for path in paths:
        try:
            found = kernels_in(path.read_bytes())
        except OSError:
            continue
        compiled |= found.compiled
        ptx |= found.ptx
    return Kernels(frozenset(compiled), frozenset(ptx))


def kernels_in(program: bytes) -> Kernels:
    """The kernels in a program or a library."""
    entries = list(_entries(program))
    return Kernels(
        frozenset(architecture for kind, architecture in entries if kind == _COMPILED),
        frozenset(architecture for kind, architecture in entries if kind == _PTX),
    )


def _entries(program: bytes) -> Iterator[tuple[int, int]]:
    at = 0
    while (at := program.find(_MAGIC, at)) >= 0:
        begin = at
        at += len(_MAGIC)
        if begin + _HEADER.size > len(program):
            return
        _, version, header, size = _HEADER.unpack_from(program, begin)
        entry, end = begin + header, begin + header + size
        if version != 1 or header < _HEADER.size or end > len(program):
            continue
        while entry + _ENTRY.size <= end:
            kind, _, own, content, architecture = _ENTRY.unpack_from(program, entry)
            yield kind, architecture
            if own < _ENTRY.size:
                break
            entry += own + content
        at = end
