"""Files in folders where others may have put anything at any name."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from dispatcher.host.file_lock import locked
from dispatcher.host.shared_files import (
    NotAFile,
    SharedFolder,
)
from dispatcher.host.shared_trees import remove_tree

from .attacks import (
    LINKS,
    NO_FILES,
    OTHERS,
    Attack,
    device,
    hard_link,
    pipe,
    state,
    unix_socket,
)

USES: list[Callable[[SharedFolder], object]] = [
    lambda folder: folder.read("x", 1000),
    lambda folder: folder.append("x", b"ours"),
    lambda folder: os.close(folder.opened_lock("x")),
]


@pytest.mark.parametrize("attack", NO_FILES)
@pytest.mark.parametrize("use", USES)
def test_what_is_no_file_is_refused_at_once(
    attack: Attack, use: Callable[[SharedFolder], object], folder: SharedFolder, others: Path
) -> None:
    attack(folder.path / "x", others)
    before = state(others)

    with pytest.raises(NotAFile, match=r"it is a (link|pipe|socket|folder|device), not a file"):
        use(folder)

    assert state(others) == before


def test_a_file_with_another_name_is_not_changed(folder: SharedFolder, others: Path) -> None:
    hard_link(folder.path / "x", others)
    before = state(others)

    with pytest.raises(NotAFile, match="has other names too"):
        folder.append("x", b"ours")
    with locked(folder.path / "x", "it"):
        pass

    assert state(others) == before
    assert folder.read("x", 1000) == OTHERS  # a backup of hard links stays readable


@pytest.mark.parametrize("attack", [*LINKS, hard_link, pipe, unix_socket, device])
@pytest.mark.parametrize("shared", [False, True])
def test_what_is_written_whole_takes_the_place_of_anything(
    attack: Attack, shared: bool, folder: SharedFolder, others: Path
) -> None:
    attack(folder.path / "x", others)
    before = state(others)

    folder.replace("x", b"ours", shared=shared)

    assert folder.read("x", 4) == b"ours"
    assert folder.names() == ["x"]
    assert state(others) == before


@pytest.mark.parametrize("attack", [*NO_FILES, hard_link])
def test_what_is_new_is_new(attack: Attack, folder: SharedFolder, others: Path) -> None:
    attack(folder.path / "x", others)
    before = state(others)

    with pytest.raises(FileExistsError):
        folder.create("x", b"ours")

    assert state(others) == before


@pytest.mark.parametrize("attack", [*NO_FILES, hard_link])
def test_relion_finds_a_file_that_is_touched(
    attack: Attack, folder: SharedFolder, others: Path
) -> None:
    """RELION looks by stat(2): a link that leads nowhere would be no exit file."""
    attack(folder.path / "x", others)
    before = state(others)

    folder.touch("x")

    assert (folder.path / "x").exists()
    assert not (folder.path / "x").is_symlink()
    assert state(others) == before


def test_a_file_of_three_gigabytes_that_takes_no_room_is_not_read_whole(
    folder: SharedFolder,
) -> None:
    with open(folder.path / "x", "wb") as stream:
        stream.truncate(3 << 30)

    with pytest.raises(OSError, match="longer than 1000 bytes") as raised:
        folder.read("x", 1000)

    assert raised.value.errno == errno.EFBIG


@pytest.mark.parametrize("name", ["", "..", "a/b", "/etc/passwd", "a\0b", "\ud800"])
def test_a_path_is_no_name(name: str, folder: SharedFolder) -> None:
    (folder.path / "a").mkdir()
    for use in (
        lambda: folder.read(name, 1),
        lambda: folder.create(name, b""),
        lambda: folder.replace(name, b""),
        lambda: folder.append(name, b""),
        lambda: folder.touch(name),
        lambda: folder.remove(name),
        lambda: remove_tree(folder, name),
        lambda: folder.rename("a", name),
        lambda: folder.opened_lock(name),
        lambda: folder.inside(name).__enter__(),
    ):
        with pytest.raises(OSError, match="no file can have this name"):
            use()

    assert not folder.holds("b")
    assert folder.names() == ["a"]


def test_a_file_that_appears_and_vanishes_meanwhile_is_locked_in_the_end(
    folder: SharedFolder,
) -> None:
    """Another process makes and removes the lock and its neighbour again and again."""
    ended = threading.Event()

    def disturb() -> None:
        while not ended.is_set():
            (folder.path / "x").touch()
            (folder.path / "x").unlink(missing_ok=True)

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        for _ in range(300):
            os.close(folder.opened_lock("x"))
            folder.append("x", b"a line\n")
            folder.touch("x")
    finally:
        ended.set()
        thread.join()


def test_half_a_file_is_not_left(folder: SharedFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    folder.create("x", b"before")
    monkeypatch.setattr(os, "write", full)

    for write in (folder.create, folder.replace):
        with pytest.raises(OSError, match="No space"):
            write("y" if write == folder.create else "x", b"ours")

    assert folder.names() == ["x"]
    assert folder.read("x", 10) == b"before"
