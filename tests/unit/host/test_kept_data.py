"""What is kept in the user's cache, which others may have made first, opened, or swapped."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from dispatcher.host.kept_data import keep, kept


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "relion-dispatch" / "digests"


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
