"""Folders that were opened once: what others do with their paths and links changes nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dispatcher.host.shared_files import (
    SharedFolder,
)
from dispatcher.host.shared_trees import remove_tree

from .attacks import (
    Attack,
    dangling,
    link,
    pipe,
    state,
)


def test_a_folder_is_the_one_that_was_opened(folder: SharedFolder, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    assert folder.is_at(folder.path)

    folder.path.rename(tmp_path / "moved")
    folder.path.symlink_to(tmp_path / "elsewhere")
    folder.create("new", b"")
    folder.append("log", b"")
    folder.replace("record", b"")

    assert not folder.is_at(folder.path)
    assert not list((tmp_path / "elsewhere").iterdir())
    assert sorted(folder.names()) == ["log", "new", "record"]


@pytest.mark.parametrize("place", [link, dangling, pipe])
def test_a_folder_in_it_is_no_link(place: Attack, folder: SharedFolder, others: Path) -> None:
    victim = others.with_name("to be made")
    victim.mkdir()
    (victim / "reserve").touch()
    if place is link:
        (folder.path / "x").symlink_to(victim)
    else:
        place(folder.path / "x", others)

    with pytest.raises(OSError), folder.inside("x"):
        pass
    with pytest.raises(OSError):
        remove_tree(folder, "x")

    assert (victim / "reserve").exists()


def test_files_are_moved_out_of_a_folder_in_it(folder: SharedFolder) -> None:
    (folder.path / "control").mkdir()
    (folder.path / "control" / "ending").write_text("told")

    with folder.inside("control") as control:
        folder.rename("ending", "end", control)

    assert folder.read("end", 10) == b"told"


def test_a_tree_is_removed_and_links_in_it_are_not_followed(
    folder: SharedFolder, others: Path
) -> None:
    tree = folder.path / "tree"
    (tree / "below").mkdir(parents=True)
    (tree / "below" / "link").symlink_to(others)
    (tree / "outside").symlink_to(others.parent)
    os.mkfifo(tree / "below" / "pipe")
    before = state(others)

    remove_tree(folder, "tree")

    assert not folder.holds("tree")
    assert state(others) == before


def test_a_tree_of_many_folders_in_each_other_is_given_up(folder: SharedFolder) -> None:
    (folder.path / "x" / "/".join("y" * 40)).mkdir(parents=True)

    with pytest.raises(OSError, match="too many folders"):
        remove_tree(folder, "x")
