"""Touch files in folders that other people can write: projects, job folders, scratch disks, /tmp.

Whoever may write such a folder can put anything at any name: a link to somebody's ``.bashrc``, a
pipe that never answers, a file of a terabyte that takes no room. So a folder is opened once, and
files are touched relative to it, whatever its path leads to later. What is new gets a name that
nobody can know beforehand; what is there must be a regular file, and one of a single name if it is
changed in place, because another name of that file may be anywhere. Nothing here waits for the
other end of a pipe.

Files that people name as inputs may be links (`opened_input`). What RELION and the scheduler open
by themselves is theirs; SECURITY.md says what is promised.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from .regular_files import NotAFile, checked_name, opened_input, opened_regular
from .shared_modes import give, lock_mode, shared_mode

__all__ = ["NotAFile", "SharedFolder", "opened_input", "read_file", "shared_folder"]

_NEW = os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_BEING_MADE = 2  # seconds in which a lock that is closed to this user may get its mode yet

_TRIES = range(100)  # others may make and remove a file meanwhile


class SharedFolder:
    """A folder that was opened; its methods take names of files in it.

    All methods raise OSError as the system does, and NotAFile.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor

    def read(self, name: str, at_most: int) -> bytes:
        """A regular file's content; OSError if the file is longer than `at_most` bytes."""
        with os.fdopen(self._opened(name, os.O_RDONLY), "rb") as stream:
            size = os.fstat(stream.fileno()).st_size  # Python makes room for all that it may read
            content = stream.read(min(size, at_most) + 1)
            if len(content) > size:  # it has grown
                content += stream.read(at_most + 1 - len(content))
        if len(content) > at_most:
            raise OSError(errno.EFBIG, f"it is longer than {at_most} bytes")
        return content

    def create(self, name: str, content: bytes, mode: int = 0o666, *, exact: bool = False) -> None:
        """Write a file that is not there yet; FileExistsError if anything has that name.

        The file gets `mode` less the process's umask, or that very mode if it is `exact`.
        """
        with self.opened_new(name, mode) as stream:
            try:
                if exact:
                    os.fchmod(stream.fileno(), mode)
                _write(stream.fileno(), content)
            except BaseException:
                with suppress(OSError):
                    self.remove(name)
                raise

    def replace(
        self, name: str, content: bytes, mode: int | None = None, *, shared: bool = False,
        synced: bool = False, is_new: bool = False,
    ) -> None:  # fmt: skip
        """Write a file whole or not at all, in the place of whatever has that name.

        The file gets `mode`, or 0666, less the process's umask. A `shared` one may be read and
        changed by those who may change the folder, and by those who might before; `mode` is the
        least that it has. A `synced` one is on the disk first. One that `is_new` takes the place of
        nothing (else FileExistsError): of several processes, one makes that file, without locks.
        """
        new = self.unfinished(name)
        with self.opened_new(new, 0o600 if shared else mode or 0o666) as stream:
            try:
                if shared:
                    self._share(stream.fileno(), name, mode or 0)
                _write(stream.fileno(), content)
                if synced:
                    os.fsync(stream.fileno())
                (self._take_name if is_new else self.rename)(new, name)
            except BaseException:
                with suppress(OSError):  # a file system that became read-only keeps it
                    self.remove(new)
                raise

    def _take_name(self, name: str, new: str) -> None:
        """Rename within the folder, if nothing has the new name: else FileExistsError."""
        here = self.descriptor
        try:
            os.link(name, new, src_dir_fd=here, dst_dir_fd=here, follow_symlinks=False)
        except FileExistsError:
            raise
        except OSError:  # without hard links, who reads at this moment finds an empty file
            self.opened_new(new, 0o600).close()
            self.rename(name, new)
        else:
            self.remove(name)

    def append(self, name: str, content: bytes) -> None:
        """Write behind what a regular file of one name holds, or into a new one."""
        descriptor = self._to_change(name, os.O_WRONLY | os.O_APPEND, 0o666)
        try:
            _write(descriptor, content)
        finally:
            os.close(descriptor)

    def touch(self, name: str) -> None:
        """See that something is there: an empty file is made, and what is there gets a new time.

        In the place of a link, which may lead nowhere, comes a file.
        """
        for _ in _TRIES:
            with suppress(FileExistsError):
                self.opened_new(name).close()
                return
            with suppress(FileNotFoundError):  # it has gone meanwhile
                if stat.S_ISLNK(self.status(name).st_mode):
                    self.replace(name, b"")
                else:
                    os.utime(name, dir_fd=self.descriptor, follow_symlinks=False)
                return
        raise self._busy(name)

    def opened_new(self, name: str, mode: int = 0o666) -> BinaryIO:
        """A file that is not there yet, to be written; FileExistsError if anything is there."""
        flags = os.O_WRONLY | _NEW
        return os.fdopen(os.open(checked_name(name), flags, mode, dir_fd=self.descriptor), "wb")

    def unfinished(self, name: str) -> str:
        """A name that nobody can know beforehand, for what will be renamed to `name`."""
        return f".{checked_name(name)}.{os.urandom(8).hex()}.new"

    def rename(self, name: str, new: str, source: SharedFolder | None = None) -> None:
        """Rename from `source`, or within the folder, in the place of what has the new name."""
        start = (source or self).descriptor
        os.rename(
            checked_name(name), checked_name(new), src_dir_fd=start, dst_dir_fd=self.descriptor
        )

    def remove(self, name: str) -> None:
        """Remove a file or a link."""
        os.unlink(checked_name(name), dir_fd=self.descriptor)

    def holds(self, name: str) -> bool:
        """Whether there is anything of that name, be it a link that leads nowhere."""
        try:
            self.status(name)
        except OSError:
            return False
        return True

    def names(self) -> list[str]:
        """The names of all that is in the folder."""
        descriptor = os.open(".", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self.descriptor)
        try:
            with os.scandir(descriptor) as entries:
                return [entry.name for entry in entries]
        finally:
            os.close(descriptor)

    def status(self, name: str = "") -> os.stat_result:
        """What ``lstat`` says of a file, or of the folder itself."""
        if not name:
            return os.fstat(self.descriptor)
        return os.lstat(checked_name(name), dir_fd=self.descriptor)

    def is_at(self, path: Path) -> bool:
        """Whether the path leads to this folder still."""
        try:
            return os.path.samestat(self.status(), path.stat())
        except OSError:
            return False

    @contextmanager
    def inside(self, name: str) -> Iterator[SharedFolder]:
        """Open a folder in this one, which must not be a link."""
        flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(checked_name(name), flags, dir_fd=self.descriptor)
        try:
            yield SharedFolder(self.path / name, descriptor)
        finally:
            os.close(descriptor)

    def opened_lock(self, name: str) -> int:
        """A descriptor of a lock file, made if there is none.

        It is for reading alone if this user may not write the file. The file may have other names,
        as in a backup of hard links: then it is not this call's to change. Those who may change
        the folder may open a file that this call makes.
        """
        end = time.monotonic() + _BEING_MADE  # others can make a closed file seem new for ever
        while True:
            try:
                descriptor, is_new = self._opened_or_new(name, os.O_RDWR, 0o600)
                break
            except PermissionError:
                with suppress(PermissionError):
                    return self._opened(name, os.O_RDONLY)
                is_new = 0 <= time.time() - self.status(name).st_ctime < _BEING_MADE
                if not is_new or time.monotonic() >= end:
                    raise
                time.sleep(0.02)
        if is_new:
            give(descriptor, lock_mode(self.status()))
        return descriptor

    def _opened(self, name: str, flags: int) -> int:
        shown = self.path / checked_name(name)
        return opened_regular(name, flags | os.O_NOFOLLOW, self.descriptor, shown)

    def _to_change(self, name: str, flags: int, mode: int) -> int:
        """A descriptor of a regular file of one name, made if there is none."""
        descriptor, _ = self._opened_or_new(name, flags, mode)
        if os.fstat(descriptor).st_nlink > 1:
            os.close(descriptor)
            raise NotAFile("the file has other names too", self.path / name)
        return descriptor

    def _opened_or_new(self, name: str, flags: int, mode: int) -> tuple[int, bool]:
        """A descriptor of a regular file, and whether this call made the file."""
        for _ in _TRIES:
            with suppress(FileNotFoundError):
                return self._opened(name, flags), False
            with suppress(FileExistsError):
                return os.open(checked_name(name), flags | _NEW, mode, dir_fd=self.descriptor), True
        raise self._busy(name)

    def _busy(self, name: str) -> OSError:
        return OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(self.path / name))

    def _share(self, descriptor: int, name: str, least: int) -> None:
        """Give a new file, which is to take a place, to those for whom the folder is."""
        before = None
        with suppress(OSError):
            found = self.status(name)
            before = found if stat.S_ISREG(found.st_mode) else None
        give(descriptor, shared_mode(self.status(), before, least), before)


@contextmanager
def shared_folder(path: Path) -> Iterator[SharedFolder]:
    """Open a folder for as long as the block runs.

    Raises:
        OSError: there is no such folder, or it is closed to this user.
    """
    try:
        descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except ValueError as error:  # a zero byte, or a lone surrogate
        raise OSError(errno.EINVAL, "no folder can have this name", str(path)) from error
    try:
        yield SharedFolder(path, descriptor)
    finally:
        os.close(descriptor)


def read_file(path: Path, at_most: int) -> bytes:
    """The content of a file that is nobody's link; see :meth:`SharedFolder.read`."""
    with shared_folder(path.parent) as folder:
        return folder.read(path.name, at_most)


def _write(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]
