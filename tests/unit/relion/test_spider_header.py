"""A file is SPIDER's if RELION would take its header for one."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from dispatcher.relion.spider_header import is_spider

from ..memory.refinement_files import mrc

VOLUME = {0: 64, 1: 64, 4: 3, 11: 64, 12: 4, 21: 1024, 22: 256}


@pytest.mark.parametrize("order", "<>")
def test_a_header_of_either_byte_order(order: str, tmp_path: Path) -> None:
    words = [VOLUME.get(at, 0) for at in range(256)]
    (tmp_path / "a").write_bytes(struct.pack(f"{order}256f", *words))
    assert is_spider(tmp_path / "a")


@pytest.mark.parametrize("content", [mrc(64, 64), bytes(1024), b"short", b""])
def test_files_of_other_formats(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content)
    assert not is_spider(tmp_path / "a")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert not is_spider(tmp_path / "a")
    assert not is_spider(tmp_path)
