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
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from typing import BinaryIO

__all__ = ["NotAFile", "SharedFolder", "is_unfinished", "opened_input", "read_file",
           "shared_folder"]  # fmt: skip

_NO_WAITING = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class NotAFile(OSError):
    """What bears a file's name is something else, or has other names; `strerror` says what."""

    def __init__(self, why: str, path: str | PathLike[str]) -> None:
        super().__init__(errno.EINVAL, why, str(path))


class SharedFolder:
    """A folder that was opened; its methods take names of files in it.

    All methods raise OSError as the system does, and NotAFile.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    def read(self, name: str, at_most: int) -> bytes:
        """A regular file's content; OSError if the file is longer than `at_most` bytes."""
        return _content(self._opened(name, os.O_RDONLY), at_most)

    def create(self, name: str, content: bytes, mode: int = 0o666) -> None:
        """Write a file that is not there yet; FileExistsError if anything has that name."""
        self._filled(name, content, mode)

    def replace(
        self, name: str, content: bytes, mode: int = 0o666, *, shared: bool = False
    ) -> None:
        """Write a file whole or not at all, in the place of whatever has that name.

        The file gets `mode` less the process's umask. A `shared` one may be changed by those who
        may change the folder, and by those who might before.
        """
        new = f".{name}.{secrets.token_hex(8)}.new"
        try:
            self._filled(new, content, mode, name if shared else None)
            self.rename(new, name)
        except BaseException:
            with suppress(OSError):  # a file system that became read-only keeps it
                self.remove(new)
            raise

    def create_whole(self, name: str, content: bytes) -> None:
        """Make a file whole or not at all, unless anything has that name: then FileExistsError.

        Of several processes that do this at once, one makes the file, also without locks. Those who
        may change the folder may change the file.
        """
        new = f".{name}.{secrets.token_hex(8)}.new"
        here = self._descriptor
        self.replace(new, content, shared=True)
        try:
            os.link(new, name, src_dir_fd=here, dst_dir_fd=here, follow_symlinks=False)
        except FileExistsError:
            raise
        except OSError:  # without hard links, somebody who reads just now may find a part
            self.create(name, content)
        finally:
            with suppress(OSError):
                self.remove(new)

    def append(self, name: str, content: bytes) -> None:
        """Write behind what a regular file of one name holds, or into a new one."""
        descriptor, _ = self._to_change(name, os.O_WRONLY | os.O_APPEND, 0o666)
        with os.fdopen(descriptor, "wb", buffering=0) as stream:
            _write(stream.fileno(), content)

    def touch(self, name: str) -> None:
        """Make an empty file; what is there, whatever it is, gets a new time."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_WAITING
        try:
            os.close(os.open(name, flags, 0o666, dir_fd=self._descriptor))
        except FileExistsError:
            os.utime(name, dir_fd=self._descriptor, follow_symlinks=False)

    def rename(self, name: str, new: str) -> None:
        """Rename within the folder, in the place of what has the new name."""
        os.rename(name, new, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)

    def remove(self, name: str) -> None:
        """Remove a file or a link."""
        os.unlink(name, dir_fd=self._descriptor)

    def holds(self, name: str) -> bool:
        """Whether there is anything of that name, be it a link that leads nowhere."""
        try:
            self.status(name)
        except OSError:
            return False
        return True

    def names(self) -> list[str]:
        """The names of all that is in the folder."""
        descriptor = os.open(".", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._descriptor)
        try:
            with os.scandir(descriptor) as entries:
                return [entry.name for entry in entries]
        finally:
            os.close(descriptor)

    def status(self, name: str) -> os.stat_result:
        """What ``lstat`` says."""
        return os.lstat(name, dir_fd=self._descriptor)

    def opened_lock(self, name: str) -> int:
        """A descriptor of a lock file, made if there is none; for reading alone if it must be.

        Those who may change the folder may lock a file that this call makes.
        """
        try:
            descriptor, is_new = self._to_change(name, os.O_RDWR, 0o600)
        except PermissionError:  # another user's
            return self._opened(name, os.O_RDONLY)
        if is_new:
            with suppress(OSError):
                self._share(descriptor, name)
        return descriptor

    def _opened(self, name: str, flags: int) -> int:
        flags |= os.O_NOFOLLOW | _NO_WAITING
        try:
            descriptor = os.open(name, flags, dir_fd=self._descriptor)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
                raise NotAFile(_kind(self.status(name)), self.path / name) from error
            raise
        return _regular(descriptor, self.path / name)

    def _to_change(self, name: str, flags: int, mode: int) -> tuple[int, bool]:
        """A descriptor of a regular file of one name, and whether this call made the file."""
        for _ in range(100):  # others may make and remove the file meanwhile
            with suppress(FileNotFoundError):
                descriptor = self._opened(name, flags)
                if os.fstat(descriptor).st_nlink > 1:
                    os.close(descriptor)
                    raise NotAFile("the file has other names too", self.path / name)
                return descriptor, False
            with suppress(FileExistsError):
                made = flags | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                return os.open(name, made, mode, dir_fd=self._descriptor), True
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(self.path / name))

    def _filled(self, name: str, content: bytes, mode: int, likened: str | None = None) -> None:
        """Make a file; with `likened`, for the users of the folder and of the file of that name."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(name, flags, mode, dir_fd=self._descriptor)
        try:
            if likened is not None:
                with suppress(OSError):
                    self._share(descriptor, likened)
            _write(descriptor, content)
        finally:
            os.close(descriptor)

    def _share(self, descriptor: int, before: str) -> None:
        """Let those read and write a new file who may do so with the folder.

        The others may do what they might do with the file `before`, or else with the folder.
        """
        folder = os.fstat(self._descriptor)
        model = folder
        with suppress(OSError):
            found = self.status(before)
            if stat.S_ISREG(found.st_mode) and not os.path.samestat(found, os.fstat(descriptor)):
                model = found
        group = folder.st_gid if folder.st_mode & stat.S_IWGRP else model.st_gid
        mode = 0o600 | model.st_mode & 0o006
        mode |= 0o060 & (
            (folder.st_mode if folder.st_gid == group else 0)
            | (model.st_mode if model.st_gid == group else 0)
        )
        if folder.st_mode & stat.S_ISVTX:  # as in /tmp, where a file is its owner's
            mode &= ~0o002
        with suppress(OSError):  # of no group of this user's
            os.fchown(descriptor, -1, group)
        if os.fstat(descriptor).st_gid != group:
            mode &= ~0o060
        os.fchmod(descriptor, mode)


@contextmanager
def shared_folder(path: Path) -> Iterator[SharedFolder]:
    """Open a folder for as long as the block runs.

    Raises:
        OSError: there is no such folder, or it is closed to this user.
    """
    descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield SharedFolder(path, descriptor)
    finally:
        os.close(descriptor)


def is_unfinished(left: str, name: str) -> bool:
    """Whether the file `left` is what a process that was killed has left of the file `name`.

    Versions up to 0.2.0 named such files by a process id.
    """
    return re.fullmatch(rf"\.{re.escape(name)}\.([0-9a-f]{{16}}\.new|[0-9]+)", left) is not None


def read_file(path: Path, at_most: int) -> bytes:
    """The content of a file that is nobody's link; see :meth:`SharedFolder.read`."""
    with shared_folder(path.parent) as folder:
        return folder.read(path.name, at_most)


def opened_input(path: str | PathLike[str]) -> BinaryIO:
    """Open a regular file for reading; its name may be a link, as data are often linked.

    Raises:
        OSError: as the system does; NotAFile for a pipe, a device, a folder.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | _NO_WAITING)
    except ValueError as error:  # a zero byte, or half of a character
        raise OSError(errno.EINVAL, "no file can have this name", str(path)) from error
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise NotAFile(_kind(Path(path).stat()), path) from error
        raise
    return os.fdopen(_regular(descriptor, path), "rb")


def _regular(descriptor: int, path: str | PathLike[str]) -> int:
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode):
        return descriptor
    os.close(descriptor)
    raise NotAFile(_kind(found), path)


def _kind(found: os.stat_result) -> str:
    return f"it is {_KINDS.get(stat.S_IFMT(found.st_mode), 'something else')}, not a file"


def _content(descriptor: int, at_most: int) -> bytes:
    with os.fdopen(descriptor, "rb") as stream:
        content = stream.read(at_most + 1)
    if len(content) > at_most:
        raise OSError(errno.EFBIG, f"it is longer than {at_most} bytes")
    return content


def _write(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]
