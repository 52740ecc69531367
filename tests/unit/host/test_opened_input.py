"""Files that people name as inputs: they may be links, and nothing but a file."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from pathlib import Path

import pytest

from dispatcher.host.shared_files import (
    NotAFile,
    opened_input,
    read_file,
    shared_folder,
)

from .attacks import (
    OTHERS,
    Attack,
    dangling,
    device,
    hard_link,
    link,
    pipe,
    subfolder,
    to_itself,
    unix_socket,
)


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
