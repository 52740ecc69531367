"""`check` mends the modes that earlier versions left on the user's own files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dispatcher.host.file_lock import locked
from dispatcher.site.mode_check import look_at_modes

PIN = {"images": {"relion": {"version": "5.1.0", "sha256": {"cpu": "1" * 64}}}}


@pytest.fixture
def shared(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of a group, as versions up to 0.2.0 left it."""
    (project / "default_pipeline.star").touch()
    project.chmod(0o2775)
    monkeypatch.chdir(project)
    return project


def left(path: Path, mode: int, text: str = "") -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


@pytest.mark.parametrize("before", [0o600, 0o640, 0o644, 0o666])
def test_a_pin_gets_the_mode_that_the_folder_suggests(before: int, shared: Path) -> None:
    pin = left(shared / ".relion_dispatch.json", before, json.dumps(PIN))

    found = look_at_modes()

    assert mode(pin) == (0o660 if before in (0o600, 0o640) else 0o664)
    assert json.loads(pin.read_text()) == PIN
    assert found.mended == [f"{pin} had mode {before:04o}, which did not fit its folder."]
    assert look_at_modes() == ([], [], [])


@pytest.mark.parametrize("before", [0o600, 0o644, 0o666])
@pytest.mark.parametrize("name", [".relion_dispatch.lock", "Import/job001/.dispatch.json.lock"])
def test_a_lock_is_made_anew_for_those_who_may_change_the_folder(
    name: str, before: int, shared: Path
) -> None:
    lock = shared / name
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.parent.chmod(0o2775)
    left(lock, before)

    assert look_at_modes().mended == [
        f"{lock} had mode {before:04o}, which did not fit its folder."
    ]
    with locked(lock, "it"):
        assert mode(lock) == 0o660
    assert look_at_modes() == ([], [], [])


@pytest.mark.parametrize("name", ["images.json", "site.json"])
def test_files_and_locks_of_a_site_are_for_all_its_admins(name: str, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.chmod(0o2775)
    file, lock = left(site / name, 0o644, "{}"), left(site / f"{name}.lock", 0o600)

    look_at_modes()

    assert mode(file) == 0o664
    assert not lock.exists()


def test_a_lock_that_is_held_stays(shared: Path) -> None:
    lock = shared / ".relion_dispatch.lock"
    with locked(lock, "it"):
        lock.chmod(0o600)
        (problem,) = look_at_modes().problems

    assert problem.startswith(f"{lock} has mode 0600 and cannot be mended: ")
    assert lock.exists()


def test_a_file_that_was_moved_to_our_name_is_not_opened_to_colleagues(shared: Path) -> None:
    """A colleague can move a file within a folder, although its content is closed to them."""
    secret = left(shared / ".relion_dispatch.json", 0o600, "my password")

    (problem,) = look_at_modes().problems

    assert "cannot be mended" in problem
    assert (mode(secret), secret.read_text()) == (0o600, "my password")


@pytest.mark.parametrize("name", [".relion_dispatch.json", "site.json", "images.json"])
@pytest.mark.parametrize(
    "content", ["[" * 200_000, '{"a":' * 30_000, "[1]", "9" * 5000, '{"a": 1, "a": 2}', "\0", ""]
)
def test_a_file_that_is_none_of_ours_is_named(
    content: str, name: str, shared: Path, tmp_path: Path
) -> None:
    folder = shared if name.startswith(".") else tmp_path / "site"
    folder.chmod(0o2775)
    file = left(folder / name, 0o600, content)

    (problem,) = look_at_modes().problems

    assert problem.startswith(f"{file} has mode 0600 and cannot be mended: ")
    assert (mode(file), file.read_text()) == (0o600, content)


def test_comments_of_a_site_may_be_repeated(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.chmod(0o2775)
    file = left(site / "images.json", 0o600, '{"__comment__": "a", "__comment__": "b"}')

    assert look_at_modes().problems == []
    assert file.read_text() == '{"__comment__": "a", "__comment__": "b"}'
    assert mode(file) == 0o660


@pytest.mark.parametrize("other", ["link", "pipe", "hard link"])
def test_what_is_no_file_of_one_name_is_left_alone(
    other: str, shared: Path, tmp_path: Path
) -> None:
    pin, mine = shared / ".relion_dispatch.json", left(tmp_path / "mine", 0o600, "{}")
    if other == "pipe":
        os.mkfifo(pin)
    else:
        (pin.symlink_to if other == "link" else pin.hardlink_to)(mine)

    assert look_at_modes() == ([], [], [])
    assert mode(mine) == 0o600


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files to other users")
def test_what_another_user_left_is_named_with_the_way_out(shared: Path) -> None:
    lock = left(shared / ".relion_dispatch.lock", 0o600)
    os.chown(lock, 12345, -1)

    found = look_at_modes()

    assert found.mended == []
    (sentence,) = found.problems + found.remarks
    assert sentence == (
        f"{lock} has mode 0600, so that colleagues cannot use the file: ask user 12345 to run "
        f"`relion-dispatch check` in {shared}, or `chmod 660` on the file."
    )


def test_what_is_in_order_is_not_mentioned(shared: Path, images: Path) -> None:
    left(shared / ".relion_dispatch.json", 0o664, json.dumps(PIN))
    left(shared / ".relion_dispatch.lock", 0o660)
    left(images.with_name("images.json.lock"), 0o600)

    assert look_at_modes() == ([], [], [])
