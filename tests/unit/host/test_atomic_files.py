"""Files that are written whole, and who may write them afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.host.atomic_files import write_atomically


@pytest.fixture
def writable_by_the_group() -> Iterator[None]:
    """As many a shared project has it."""
    before = os.umask(0o002)
    yield
    os.umask(before)


@pytest.mark.usefixtures("writable_by_the_group")
@pytest.mark.parametrize(("options", "mode"), [({}, 0o664), ({"mode": 0o644}, 0o644)])
def test_a_file_may_be_kept_from_the_group(
    options: dict[str, int], mode: int, tmp_path: Path
) -> None:
    file = tmp_path / "file"

    write_atomically(file, "text", **options)

    assert (file.read_text(), file.stat().st_mode & 0o777) == ("text", mode)
    assert not list(tmp_path.glob(".*"))
