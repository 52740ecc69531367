"""A job's folder on the small disk of small_ext4.sh, and that disk full."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

__all__ = ["fill", "leave_room", "move_to_small_ext4"]


def _disk() -> Path:
    return Path(os.environ["RELION_TEST_SMALL_EXT4"])


def move_to_small_ext4(job: Path) -> Path:
    """Put the job's folder on a disk of its own; the folder there."""
    for left in _disk().iterdir():
        shutil.rmtree(left, ignore_errors=True)
    folder = Path(shutil.move(job, _disk() / job.name))
    job.symlink_to(folder)
    return folder


def leave_room(files: int) -> None:
    """From now on the disk has room for so many more files."""
    fillers = _fillers()
    made = 0
    with suppress(OSError):
        while True:
            (fillers / str(made)).touch()
            made += 1
    for at in range(files):
        (fillers / str(at)).unlink()


def fill() -> Path:
    """Use up what the disk has for the contents of files; the file to remove."""
    filler = _fillers() / "filler"
    for size in (1 << 20, 1024):  # the last blocks one by one
        with suppress(OSError), filler.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(size))
    return filler


def _fillers() -> Path:
    fillers = _disk() / "fillers"
    fillers.mkdir(exist_ok=True)
    return fillers
