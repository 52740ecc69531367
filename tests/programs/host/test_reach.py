"""install.sh and ``check`` give the same answer: to whom is a file or a folder closed?"""

from __future__ import annotations

import os
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.host.reach import EVERYBODY, Readers, closed_to

ROOT = Path(__file__).parents[3]
READ, START = False, True
DATA, PROGRAM, SCRIPT = b"data", b"\x7fELF", b"#!/bin/sh\n"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody can enter, which those of pytest are not."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def both_say(path: Path, readers: Readers, started: bool) -> Path | None:
    """What dispatcher/host/reach.py and deploy/install/reach.sh say."""
    users = "everybody" if readers.everybody else str(*readers.groups)
    use = "start" if started else "read"
    script = '. "$0"; users=$1; first_closed "$2" "$3"'
    done = subprocess.run(
        ["bash", "-uc", script, ROOT / "deploy/install/reach.sh", users, use, path],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    assert done.returncode == (0 if done.stdout else 1)
    said = closed_to(readers, path, started=started)
    assert done.stdout == (f"{said}\n" if said else "")
    return said


@pytest.mark.parametrize(
    ("content", "mode", "use", "everybody", "group"),
    [
        (DATA, 0o644, READ, True, True),
        (DATA, 0o744, READ, True, True),
        (DATA, 0o640, READ, False, True),
        (DATA, 0o600, READ, False, False),
        (SCRIPT, 0o744, READ, True, True),  # an image of Apptainer begins like a script
        (PROGRAM, 0o711, READ, False, False),
        (PROGRAM, 0o755, START, True, True),
        (PROGRAM, 0o711, START, True, True),
        (PROGRAM, 0o710, START, False, True),
        (PROGRAM, 0o744, START, False, False),
        (PROGRAM, 0o700, START, False, False),
        (SCRIPT, 0o755, START, True, True),
        (SCRIPT, 0o711, START, False, False),
        (SCRIPT, 0o750, START, False, True),
        (SCRIPT, 0o744, START, False, False),
        (None, 0o755, READ, True, True),
        (None, 0o711, READ, False, False),
        (None, 0o744, READ, False, False),
        (None, 0o750, READ, False, True),
    ],
)
def test_what_is_at_the_end_of_the_way(
    content: bytes | None, mode: int, use: bool, everybody: bool, group: bool, folder: Path
) -> None:
    path = folder / "it's a $name"
    path.mkdir() if content is None else path.write_bytes(content)
    path.chmod(mode)
    readers = {EVERYBODY: everybody, Readers(False, (folder.stat().st_gid,)): group}

    for each, can in readers.items():
        assert both_say(path, each, use) == (None if can else path)
    assert both_say(path, Readers(False, (folder.stat().st_gid + 1,)), use) == (
        None if everybody else path
    )


@pytest.mark.parametrize(
    ("mode", "is_open"), [(0o755, True), (0o711, True), (0o744, False), (0o700, False)]
)
@pytest.mark.parametrize(
    ("name", "named"),
    [("way/file", "way"), ("linked_folder/file", "linked_folder"), ("link", "way")],
)
def test_the_folders_on_the_way_are_entered(
    name: str, named: str, mode: int, is_open: bool, folder: Path
) -> None:
    """The folders as the path has them, and those to which its links lead."""
    (folder / "way").mkdir()
    (folder / "way" / "file").touch(mode=0o644)
    (folder / "link").symlink_to("way/file")
    (folder / "linked_folder").symlink_to("way")
    (folder / "way").chmod(mode)

    assert both_say(folder / name, EVERYBODY, READ) == (None if is_open else folder / named)


def test_what_has_an_access_list_is_taken_for_open(folder: Path) -> None:
    path = folder / "file"
    path.touch(mode=0o600)
    # Version 2; the owner rw-, the user 12345 r--, the group ---, the mask r--, others ---.
    entries = [(1, 6, -1), (2, 4, 12345), (4, 0, -1), (16, 4, -1), (32, 0, -1)]
    packed = b"".join(struct.pack("<HHi", *each) for each in entries)
    try:
        os.setxattr(path, "system.posix_acl_access", struct.pack("<I", 2) + packed)
    except OSError:
        pytest.skip("this file system has no access lists")

    assert both_say(path, EVERYBODY, READ) is None
