"""CUDA's kernels in a program: the format is that of RELION 3.1.3 in Debian's package (see
tests/system/test_doctor.py for the real one)."""

from __future__ import annotations

import struct

import pytest

from dispatcher.doctor.kernels import Kernels, capability_of, kernels_in


def fat_binary(*entries: tuple[int, int], content: int = 40) -> bytes:
    body = b"".join(
        struct.pack("<HHIQ12xI", kind, 0x101, 64, content, architecture) + bytes(32 + content)
        for kind, architecture in entries
    )
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(body)) + body


def test_all_kernels_of_a_program_are_found() -> None:
    program = b"\x7fELF" + fat_binary((2, 70), (1, 80)) + b"between" + fat_binary((2, 86))

    assert kernels_in(program) == Kernels(frozenset({70, 86}), frozenset({80}))


@pytest.mark.parametrize("cut", range(len(fat_binary((2, 70)))))
def test_what_is_cut_short_or_no_fat_binary_has_none(cut: int) -> None:
    assert not kernels_in(b"x" + fat_binary((2, 70))[:cut])


@pytest.mark.parametrize(
    ("compiled", "ptx", "capability", "runs"),
    [
        ({80}, set(), 80, True),
        ({80}, set(), 89, True),
        ({86}, set(), 80, False),
        ({80}, set(), 90, False),
        ({80}, {80}, 90, True),
        (set(), {90}, 80, False),
        ({35}, {35}, 120, True),
    ],
)
def test_kernels_run_on_later_cards_of_their_generation_and_ptx_on_all_later_ones(
    compiled: set[int], ptx: set[int], capability: int, runs: bool
) -> None:
    assert Kernels(frozenset(compiled), frozenset(ptx)).run_on(capability) is runs


def test_a_compute_capability_is_a_number() -> None:
    assert [capability_of(text) for text in ("8.6", "12.0", "[N/A]")] == [86, 120, None]
