"""A folder that others may write, and a file that they want changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dispatcher.host.shared_files import SharedFolder, shared_folder

from .attacks import OTHERS


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[SharedFolder]:
    (tmp_path / "job").mkdir()
    with shared_folder(tmp_path / "job") as opened:
        yield opened


@pytest.fixture
def others(tmp_path: Path) -> Path:
    """A file that an attack is to change."""
    file = tmp_path / "others"
    file.write_bytes(OTHERS)
    file.chmod(0o600)
    return file


@pytest.fixture
def umask() -> Iterator[Callable[[int], None]]:
    before = os.umask(0o022)

    def set_to(mask: int) -> None:
        os.umask(mask)

    yield set_to
    os.umask(before)
