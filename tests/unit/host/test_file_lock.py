"""The lock that admins and jobs take by turns."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from multiprocessing import get_context
from pathlib import Path

import pytest

from dispatcher.errors import WriteError
from dispatcher.host.file_lock import locked


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
@pytest.mark.parametrize(
    ("folder", "lock"),
    [(0o2775, 0o660), (0o755, 0o600), (0o700, 0o600), (0o777, 0o666), (0o1777, 0o664)],
)
def test_only_those_who_may_write_the_folder_may_open_the_lock(
    folder: int, lock: int, umask: int, tmp_path: Path
) -> None:
    """Whoever may open a lock, be it for reading alone, can hold it and never let go."""
    tmp_path.chmod(folder)
    before = os.umask(umask)
    try:
        with locked(tmp_path / "lock", "it"):
            pass
    finally:
        os.umask(before)

    assert (tmp_path / "lock").stat().st_mode & 0o777 == lock


def test_a_lock_of_another_user_on_nfs_is_told_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no NFS here: flock is made to fail as it does there on a file opened to be read."""

    def as_on_nfs(descriptor: int, operation: int) -> None:
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr(fcntl, "flock", as_on_nfs)

    with (
        pytest.raises(WriteError, match="and you may not write that file: ask "),
        locked(tmp_path / "lock", "it"),
    ):
        pass


def test_a_lock_with_other_names_is_locked_on_nfs_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a backup of hard links. NFS wants a file that is open for writing; here flock does."""
    flock = fcntl.flock

    def as_on_nfs(descriptor: int, operation: int) -> None:
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", as_on_nfs)
    (tmp_path / "lock").write_text("what it held\n")
    (tmp_path / "backup").hardlink_to(tmp_path / "lock")

    with locked(tmp_path / "lock", "it"):
        pass

    assert (tmp_path / "backup").read_text() == "what it held\n"


def _count(arguments: tuple[Path, int]) -> None:
    """Read a number, wait, and write the next one, under a lock whose file goes each time."""
    folder, _ = arguments
    with locked(folder / "lock", "the number"):
        try:
            number = int((folder / "number").read_text())
            time.sleep(0.01)
            (folder / "number").write_text(str(number + 1))
        finally:
            (folder / "lock").unlink()


def test_a_lock_whose_file_is_removed_has_one_holder_at_a_time(tmp_path: Path) -> None:
    (tmp_path / "number").write_text("0")

    with get_context("spawn").Pool(4) as pool:
        pool.map(_count, [(tmp_path, each) for each in range(40)], chunksize=1)

    assert (tmp_path / "number").read_text() == "40"
