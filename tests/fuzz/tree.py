"""A folder with files, into which the files of a case are put for a while."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

__all__ = ["Thing", "Tree"]

Thing = bytes | str  # a file's content, or what is there in a file's place
Seen = dict[str, tuple[int, str | bytes, int]]
LOGS = ("slurm/sbatch.calls", "slurm/squeue.calls", "slurm/scontrol.calls", "slurm/scancel.calls",
        "slurm/queue", "recorded")  # fmt: skip


class Tree:
    """A folder that is put right after each case."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self._kept: Seen = {}

    def keep(self) -> None:
        """From now on, the folder is as it should be."""
        self._kept = self._seen()

    @contextlib.contextmanager
    def holding(self, things: Mapping[str, Thing], *, only_in: str | None = None) -> Iterator[None]:
        """Put things into this folder for as long as the block runs.

        With `only_in`, nothing outside of that folder may change meanwhile; then all is put right.
        Without, the block changes nothing but the things.
        """
        for name, thing in things.items():
            self._put(self.folder / name, thing)
        try:
            yield
            if only_in is not None:
                now, kept = self._seen(), self._kept
                changed = {name for name in now | kept if now.get(name) != kept.get(name)}
                outside = {name for name in changed - {*LOGS} if not name.startswith(only_in)}
                assert outside <= things.keys(), outside
                assert not {name for name in changed if Path(name).name == "canary"}
        finally:
            self._put_right(None if only_in else things)

    def _put(self, path: Path, thing: Thing) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove(path)
        if isinstance(thing, bytes):
            path.write_bytes(thing)
        elif thing == "a pipe":
            os.mkfifo(path)
        elif thing == "a folder":
            path.mkdir()
        elif thing == "3 GB of nothing":
            path.touch()
            os.truncate(path, 3 << 30)
        else:  # a link that leads there
            path.symlink_to(thing.replace("OUTSIDE", str(self.folder / "outside")))

    def _seen(self) -> Seen:
        """Type and mode of each file, its content (of large ones the length), and its time (ns)."""
        found: Seen = {}
        for at, folders, files in os.walk(self.folder):
            for name in (*folders, *files):
                path = Path(at, name)
                status = os.lstat(path)
                content: str | bytes = ""
                time = 0
                if stat.S_ISLNK(status.st_mode):
                    content = str(path.readlink())
                elif stat.S_ISREG(status.st_mode):
                    small = status.st_size < 1 << 22
                    content = path.read_bytes() if small else str(status.st_size)
                    time = status.st_mtime_ns
                found[os.path.relpath(path, self.folder)] = (status.st_mode, content, time)
        return found

    def _put_right(self, names: Iterable[str] | None) -> None:
        """Of all, or of these names and of the folders that were made for them."""
        kept = self._kept
        if names is None:
            now = self._seen()
        else:
            now = dict.fromkeys(names, (0, "", 0))
            above = {str(folder) for name in now for folder in Path(name).parents[:-1]}
            now |= {name: kept.get(name, (0, "", 0)) for name in above}
        for name in sorted(now.keys() - kept.keys(), reverse=True):
            _remove(self.folder / name)
        for name in sorted(kept if names is None else kept.keys() & now.keys()):
            if now.get(name) != kept[name]:
                self._put_back(self.folder / name, *kept[name])

    def _put_back(self, path: Path, mode: int, content: str | bytes, time: int) -> None:
        """A job's record counts only if its time is not before that of RELION's script."""
        if stat.S_ISDIR(mode) and path.is_dir() and not path.is_symlink():
            path.chmod(stat.S_IMODE(mode))
            return
        _remove(path)
        if stat.S_ISDIR(mode):
            path.mkdir()
        elif isinstance(content, str):
            path.symlink_to(content)
        else:
            path.write_bytes(content)
            path.chmod(stat.S_IMODE(mode))
            os.utime(path, ns=(time, time))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
