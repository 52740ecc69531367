"""The user's own folders, which others may have made first, opened, or swapped."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import pytest

from dispatcher.errors import SubmitError
from dispatcher.host import private_folders
from dispatcher.host.private_folders import (
    keep,
    kept,
    local_lock,
    make_local_lock,
    make_runtime_folder,
)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "relion-dispatch" / "digests"


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The folder below /tmp and that in the home, both below the test's folder."""
    first, home = tmp_path / "tmp" / "relion-dispatch-1", tmp_path / "home" / "on-host"
    first.parent.mkdir()
    monkeypatch.delenv("RELION_DISPATCH_RUNTIME", raising=False)
    monkeypatch.setattr(private_folders, "_first_place", lambda: first)
    monkeypatch.setattr(private_folders, "_place_at_home", lambda: home)
    return first, home


def test_what_is_kept_is_found_again_by_its_user_alone(cache: Path) -> None:
    keep("digests", "x", b"text")

    assert kept("digests", "x") == b"text"
    assert kept("digests", "y") is None
    assert [path.stat().st_mode & 0o777 for path in (cache, cache.parent, cache.parent.parent)] == [
        0o700
    ] * 3
    assert (cache / "x").stat().st_mode & 0o777 == 0o600


def test_no_umask_opens_the_cache(cache: Path) -> None:
    before = os.umask(0)
    try:
        keep("digests", "x", b"text")
    finally:
        os.umask(before)

    assert cache.parent.stat().st_mode & 0o777 == 0o700
    assert (cache / "x").stat().st_mode & 0o777 == 0o600


def opened(cache: Path) -> None:
    cache.chmod(0o777)


def for_the_group(cache: Path) -> None:
    cache.chmod(0o770)


def linked(cache: Path) -> None:
    cache.rename(cache.with_name("elsewhere"))
    cache.symlink_to("elsewhere")


def open_file(cache: Path) -> None:
    (cache / "x").chmod(0o666)


def linked_file(cache: Path) -> None:
    (cache / "x").rename(cache / "y")
    (cache / "x").symlink_to("y")


def pipe(cache: Path) -> None:
    (cache / "x").unlink()
    os.mkfifo(cache / "x")


def sparse(cache: Path) -> None:
    os.truncate(cache / "x", 3 << 30)


@pytest.mark.parametrize(
    "attack", [opened, for_the_group, linked, open_file, linked_file, pipe, sparse]
)
def test_what_others_may_have_put_there_is_not_believed(
    attack: Callable[[Path], None], cache: Path
) -> None:
    keep("digests", "x", b"text")
    attack(cache)

    assert kept("digests", "x") is None


@pytest.mark.parametrize("attack", [open_file, linked_file, pipe, sparse])
def test_what_is_not_believed_is_made_again(attack: Callable[[Path], None], cache: Path) -> None:
    keep("digests", "x", b"text")
    attack(cache)

    keep("digests", "x", b"again")

    assert kept("digests", "x") == b"again"


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files to other users")
@pytest.mark.parametrize("what", ["", "x"])
def test_what_another_user_owns_is_not_believed(what: str, cache: Path) -> None:
    keep("digests", "x", b"text")
    os.chown(cache / what, 12345, 12345)

    assert kept("digests", "x") is None


def test_a_cache_that_is_swapped_between_look_and_use_is_not_used(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user swaps the folder again and again; every answer is this user's own."""
    keep("digests", "x", b"ours")
    foreign = cache.with_name("foreign")
    foreign.mkdir()
    foreign.chmod(0o777)
    (foreign / "x").write_bytes(b"theirs")
    ended = threading.Event()

    def swap() -> None:
        aside = cache.with_name("aside")
        while not ended.is_set():
            cache.rename(aside)
            foreign.rename(cache)
            cache.rename(foreign)
            aside.rename(cache)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        found = {kept("digests", "x") for _ in range(1000)}
    finally:
        ended.set()
        thread.join()

    assert b"theirs" not in found
    assert found <= {b"ours", None}


@pytest.mark.parametrize("variable", ["XDG_CACHE_HOME", "HOME"])
def test_without_a_cache_nothing_is_kept(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "file").touch()
    monkeypatch.setenv(variable, str(tmp_path / "file"))

    keep("digests", "x", b"text")

    assert kept("digests", "x") is None


def test_the_place_of_the_lock_is_told_and_not_made(places: tuple[Path, Path]) -> None:
    first, _ = places

    assert local_lock() == first / "local.lock"
    assert not first.exists()

    assert make_local_lock() == first / "local.lock"
    assert first.stat().st_mode & 0o777 == 0o700


def a_folder_of_theirs(path: Path) -> None:
    path.mkdir(0o755)
    os.chown(path, 12345, 12345)


def a_file(path: Path) -> None:
    path.touch()


def a_link_to_a_private_folder(path: Path) -> None:
    path.with_name("private").mkdir(0o700)
    path.symlink_to("private")


def a_link_to_nothing(path: Path) -> None:
    path.symlink_to("nothing")


def a_folder_open_to_others(path: Path) -> None:
    path.mkdir()
    path.chmod(0o755)


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


TAKEN = [
    pytest.param(
        a_folder_of_theirs,
        marks=pytest.mark.skipif(os.getuid() != 0, reason="only root makes others' folders"),
    ),
    a_file, a_link_to_a_private_folder, a_link_to_nothing, a_folder_open_to_others, a_pipe,
]  # fmt: skip


@pytest.mark.parametrize("take", TAKEN)
def test_who_takes_our_name_first_stops_nobody(
    take: Callable[[Path], None], places: tuple[Path, Path]
) -> None:
    first, home = places
    take(first)
    mode = first.lstat().st_mode

    assert local_lock() == home / "local.lock"
    assert not home.exists()
    assert make_local_lock() == home / "local.lock"
    assert home.stat().st_mode & 0o777 == 0o700
    assert (first.lstat().st_mode, list(first.parent.glob("private/*"))) == (mode, [])


def test_the_other_place_stays_the_one_when_the_name_is_free_again(
    places: tuple[Path, Path],
) -> None:
    first, home = places
    a_file(first)
    assert make_runtime_folder() == home

    first.unlink()

    assert local_lock().parent == home
    assert make_runtime_folder() == home
    assert not first.exists()


def _takes(arguments: tuple[Path, Path]) -> str:
    first, home = arguments
    private_folders._first_place = lambda: first
    private_folders._place_at_home = lambda: home
    return str(make_runtime_folder())


def test_all_hooks_agree_while_another_user_takes_the_name_and_lets_it_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RELION_DISPATCH_RUNTIME", raising=False)
    ended = threading.Event()
    taken = [tmp_path / f"{number}" for number in range(40)]

    def take_and_let_go() -> None:
        while not ended.is_set():
            for path in taken:
                try:
                    path.touch(exist_ok=False)
                    path.unlink()
                except OSError:
                    pass  # it is the user's folder by now

    thread = threading.Thread(target=take_and_let_go)
    thread.start()
    try:
        with get_context("spawn").Pool(4) as pool:
            asked = [(path, tmp_path / "home" / path.name) for path in taken for _ in range(4)]
            found = pool.map(_takes, asked, chunksize=1)
    finally:
        ended.set()
        thread.join()

    for number in range(len(taken)):
        assert len(set(found[4 * number : 4 * number + 4])) == 1
    assert "None" not in found


def test_a_folder_that_the_user_names_is_the_only_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "named").mkdir()
    (tmp_path / "named").chmod(0o777)
    monkeypatch.setenv("RELION_DISPATCH_RUNTIME", str(tmp_path / "named"))

    with pytest.raises(SubmitError, match=rf"^{tmp_path}/named cannot be a private folder .* 0700"):
        make_local_lock()


def test_others_may_enter_a_folder_that_the_user_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As mkdir makes it. Whoever could open the lock could hold it."""
    (tmp_path / "named").mkdir()
    (tmp_path / "named").chmod(0o755)
    monkeypatch.setenv("RELION_DISPATCH_RUNTIME", str(tmp_path / "named"))

    assert make_local_lock() == local_lock() == tmp_path / "named" / "local.lock"
    assert (tmp_path / "named").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "named" / "local.lock").stat().st_mode & 0o777 == 0o600


def test_a_folder_of_the_users_that_others_may_write_is_told_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "named").mkdir()
    (tmp_path / "named").chmod(0o775)
    monkeypatch.setenv("RELION_DISPATCH_RUNTIME", str(tmp_path / "named"))

    with pytest.raises(SubmitError, match="run `chmod 700` on a folder of yours"):
        make_local_lock()
