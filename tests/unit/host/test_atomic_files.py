"""Files that are written whole, and who may write them afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.host.atomic_files import is_from_this_user_alone, write_atomically


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


@pytest.mark.parametrize(
    ("mode", "alone"), [(0o644, True), (0o600, True), (0o664, False), (0o646, False)]
)
def test_a_file_that_others_may_write_is_not_this_users_alone(
    mode: int, alone: bool, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.touch()
    file.chmod(mode)

    assert is_from_this_user_alone(file) == alone


def test_a_link_and_a_file_that_is_not_there_are_not_this_users(tmp_path: Path) -> None:
    (tmp_path / "file").touch(0o644)
    (tmp_path / "link").symlink_to("file")

    assert not is_from_this_user_alone(tmp_path / "link")
    assert not is_from_this_user_alone(tmp_path / "none")


def test_another_users_file_is_not_this_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch(0o644)
    monkeypatch.setattr(os, "getuid", lambda: (tmp_path / "file").stat().st_uid + 1)

    assert not is_from_this_user_alone(tmp_path / "file")
