"""What others may have put at a file's name: each takes the name, and the file that it aims at."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

OTHERS = b"somebody else's\n"
Attack = Callable[[Path, Path], None]


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


def state(others: Path) -> tuple[bytes, int, list[str]]:
    beside = sorted(each.name for each in others.parent.iterdir())
    return others.read_bytes(), others.stat().st_mode, beside
