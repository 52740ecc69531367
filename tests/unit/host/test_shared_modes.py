"""Who may read and write a file that several people keep."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from dispatcher.host.shared_files import (
    SharedFolder,
)
from dispatcher.host.shared_trees import make_folders

MODES = [
    # the folder's mode, that of the file before (or None), what a shared file gets
    (0o2775, None, 0o664),
    (0o2770, None, 0o660),
    (0o0755, None, 0o644),
    (0o0700, None, 0o600),
    (0o0777, None, 0o666),
    (0o1777, None, 0o664),  # in a sticky folder a file is its owner's
    (0o2775, 0o600, 0o660),  # an earlier version, and a umask of 077
    (0o2775, 0o640, 0o660),
    (0o2775, 0o666, 0o664),  # what was opened to all is closed again
    (0o0755, 0o664, 0o664),
    (0o0755, 0o600, 0o640),
    (0o0755, 0o640, 0o640),
]


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o177])
@pytest.mark.parametrize(("of_folder", "before", "wanted"), MODES)
def test_a_shared_file_is_for_those_for_whom_the_folder_is(
    of_folder: int, before: int | None, wanted: int, mask: int,
    folder: SharedFolder, umask: Callable[[int], None],
) -> None:  # fmt: skip
    if before is not None:
        folder.create("x", b"", before, exact=True)
    folder.path.chmod(of_folder)
    umask(mask)

    folder.replace("x", b"ours", shared=True)

    assert oct((folder.path / "x").stat().st_mode & 0o7777) == oct(wanted)


@pytest.mark.parametrize(("before", "wanted"), [(None, 0o775), (0o600, 0o770)])
def test_a_shared_program_can_be_run_by_those_who_may_read_the_file(
    before: int | None, wanted: int, folder: SharedFolder
) -> None:
    if before is not None:
        folder.create("x", b"", before, exact=True)
    folder.path.chmod(0o2770)

    folder.replace("x", b"", 0o755, shared=True)

    assert oct((folder.path / "x").stat().st_mode & 0o777) == oct(wanted)


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files to other groups")
def test_a_folder_of_a_set_group_keeps_the_group(folder: SharedFolder) -> None:
    os.chown(folder.path, 0, 12345)
    folder.path.chmod(0o2775)

    folder.replace("pin", b"", shared=True)
    os.close(folder.opened_lock("lock"))
    folder.create("note", b"")

    assert {(folder.path / name).stat().st_gid for name in folder.names()} == {12345}


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files to other users")
def test_what_root_changes_stays_its_owners(folder: SharedFolder) -> None:
    folder.create("x", b"")
    os.chown(folder.path / "x", 12345, 12345)

    folder.replace("x", b"ours", shared=True)

    found = (folder.path / "x").stat()
    assert (found.st_uid, found.st_gid) == (12345, 12345)


@pytest.mark.parametrize("mask", [0o000, 0o077])
@pytest.mark.parametrize(
    ("above", "wanted"),
    [(0o2775, 0o2775), (0o755, 0o755), (0o2770, 0o2775), (0o700, 0o755), (0o777, 0o777)],
)
def test_a_folder_is_for_those_for_whom_the_one_above_is(
    above: int, wanted: int, mask: int, folder: SharedFolder, umask: Callable[[int], None]
) -> None:
    folder.path.chmod(above)
    umask(mask)

    made = make_folders(folder.path / "a" / "b")

    assert made == [folder.path / "a", folder.path / "a" / "b"]
    assert [oct(each.stat().st_mode & 0o7777) for each in made] == [oct(wanted)] * 2
    assert make_folders(folder.path / "a" / "b") == []


@pytest.mark.parametrize(("exact", "mode"), [(False, 0o600), (True, 0o644)])
def test_a_mode_is_less_the_umask_unless_it_is_exact(
    exact: bool, mode: int, folder: SharedFolder, umask: Callable[[int], None]
) -> None:
    umask(0o077)

    folder.create("x", b"", 0o644, exact=exact)

    assert (folder.path / "x").stat().st_mode & 0o777 == mode
