"""The folder of the user's lock and sessions, whose name others may have taken first."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import pytest

from dispatcher.errors import SubmitError
from dispatcher.host import runtime_folder
from dispatcher.host.runtime_folder import local_lock, make_local_lock, make_runtime_folder


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The folder below /tmp and that in the home, both below the test's folder."""
    first, home = tmp_path / "tmp" / "relion-dispatch-1", tmp_path / "home" / "on-host"
    first.parent.mkdir()
    monkeypatch.delenv("RELION_DISPATCH_RUNTIME", raising=False)
    monkeypatch.setattr(runtime_folder, "_first_place", lambda: first)
    monkeypatch.setattr(runtime_folder, "_place_at_home", lambda: home)
    return first, home


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
    runtime_folder._first_place = lambda: first
    runtime_folder._place_at_home = lambda: home
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


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o757])
def test_a_folder_that_the_user_names_and_others_may_write_is_refused_with_the_remedy(
    mode: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No other folder takes its place."""
    (tmp_path / "named").mkdir()
    (tmp_path / "named").chmod(mode)
    monkeypatch.setenv("RELION_DISPATCH_RUNTIME", str(tmp_path / "named"))

    with pytest.raises(
        SubmitError, match=rf"^{tmp_path}/named .* run `chmod 700` on a folder of yours"
    ):
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
