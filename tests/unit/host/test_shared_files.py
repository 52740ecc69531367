"""Files in folders where others may have put anything at any name."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dispatcher.host.file_lock import locked
from dispatcher.host.shared_files import (
    NotAFile,
    SharedFolder,
    opened_input,
    read_file,
    shared_folder,
)
from dispatcher.host.shared_trees import make_folders, remove_tree

OTHERS = b"somebody else's\n"


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


def link(path: Path, others: Path) -> None:
    path.symlink_to(others)


def dangling(path: Path, others: Path) -> None:
    path.symlink_to(others.with_name("to be made"))


def to_itself(path: Path, others: Path) -> None:
    path.symlink_to(path.name)


def hard_link(path: Path, others: Path) -> None:
    path.hardlink_to(others)


def pipe(path: Path, others: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path, others: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))


def subfolder(path: Path, others: Path) -> None:
    path.mkdir()


def device(path: Path, others: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # /dev/zero
    except PermissionError:
        pytest.skip("only root makes devices")


LINKS = [link, dangling, to_itself]
NO_FILES = [*LINKS, pipe, unix_socket, subfolder, device]
Attack = Callable[[Path, Path], None]
USES: list[Callable[[SharedFolder], object]] = [
    lambda folder: folder.read("x", 1000),
    lambda folder: folder.append("x", b"ours"),
    lambda folder: os.close(folder.opened_lock("x")),
]


def state(others: Path) -> tuple[bytes, int, list[str]]:
    beside = sorted(each.name for each in others.parent.iterdir())
    return others.read_bytes(), others.stat().st_mode, beside


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


def test_a_shared_program_can_be_run_by_those_who_may_read_the_file(folder: SharedFolder) -> None:
    folder.path.chmod(0o2770)

    folder.replace("x", b"", 0o755, shared=True)

    assert (folder.path / "x").stat().st_mode & 0o777 == 0o775


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


@pytest.mark.parametrize("attack", [pipe, unix_socket, subfolder, device, to_itself, dangling])
def test_an_input_is_a_file(attack: Attack, tmp_path: Path, others: Path) -> None:
    attack(tmp_path / "x", others)

    with pytest.raises(OSError):
        opened_input(tmp_path / "x")


@pytest.mark.parametrize("attack", [link, hard_link])
def test_an_input_may_be_linked(attack: Attack, tmp_path: Path, others: Path) -> None:
    attack(tmp_path / "x", others)

    with opened_input(tmp_path / "x") as stream:
        assert stream.read() == OTHERS


@pytest.mark.parametrize("through", ["link", "twice"])
def test_a_link_to_a_pipe_is_no_input(through: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    (tmp_path / "twice").symlink_to("link")

    with pytest.raises(NotAFile, match="it is a pipe, not a file"):
        opened_input(tmp_path / through)


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
def test_an_input_whose_name_no_file_can_have_is_an_error_of_files(
    name: str, tmp_path: Path
) -> None:
    for use in (opened_input, lambda path: read_file(path, 1)):
        with pytest.raises(OSError, match="no file can have this name"):
            use(tmp_path / name)
    with pytest.raises(OSError), shared_folder(tmp_path / name):
        pass


@pytest.mark.parametrize("seconds", [0, 3])
def test_an_input_on_which_somebody_holds_a_lease_is_waited_for(
    seconds: int, tmp_path: Path
) -> None:
    """Samba holds leases on the files that Windows has open, and lets go when asked."""
    (tmp_path / "x").write_bytes(OTHERS)
    ready, said = os.pipe()
    if not (holder := os.fork()):
        held = os.open(tmp_path / "x", os.O_RDONLY)

        def let_go(*_: object) -> None:
            time.sleep(seconds)
            fcntl.fcntl(held, fcntl.F_SETLEASE, fcntl.F_UNLCK)
            os._exit(0)

        signal.signal(signal.SIGIO, let_go)
        try:
            fcntl.fcntl(held, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        except OSError:
            os._exit(1)
        os.write(said, b"x")
        time.sleep(30)
        os._exit(1)
    os.close(said)
    try:
        if not os.read(ready, 1):
            pytest.skip("this file system has no leases")
        with opened_input(tmp_path / "x") as stream:
            assert stream.read() == OTHERS
    finally:
        os.close(ready)
        _, status = os.waitpid(holder, 0)
    assert status == 0
