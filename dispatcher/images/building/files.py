"""The files of a build: a work folder with the recipe in it, and the image put in its place."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ...errors import ImageError, WriteError
from ...host.programs import run
from ...host.shared_files import SharedFolder, shared_folder
from ...host.shared_trees import make_folders

__all__ = ["BASE", "BUILD_BASE", "archive_in", "copy_recipe", "made", "published", "work_folder"]

# Relative names, because the image's labels keep them.
BASE = "base.sif"
BUILD_BASE = "build-base.sif"
_ARCHIVE = "relion-archive"  # a folder
_LARGEST_FILE = 100 * 2**20  # of the files copied from beside a definition


@contextmanager
def made(folder: Path) -> Iterator[None]:
    """The folder, made if missing, and then gone again if it is empty in the end.

    Raises:
        WriteError: it cannot be made.
    """
    made: list[Path] = []
    try:
        try:
            made = make_folders(folder)  # every user's jobs read them, whatever the admin's umask
        except OSError as error:
            raise WriteError(
                f"The folder {folder} cannot be made ({error.strerror}): name another folder with "
                "--folder."
            ) from error
        yield
    finally:
        with contextlib.suppress(OSError):
            for each in reversed(made):
                each.rmdir()


@contextmanager
def work_folder() -> Iterator[Path]:
    """A private folder for the build, on a local disk: --fakeroot does not work on a shared one.

    Raises:
        WriteError: there is no place for it.
    """
    parent = next(
        (os.environ[name] for name in ("APPTAINER_TMPDIR", "TMPDIR") if os.environ.get(name)),
        "/var/tmp",
    )
    if set(parent) & set(":,"):
        raise WriteError(
            f"Apptainer cannot build in {parent}, because ':' and ',' in a path have a special "
            "meaning for Apptainer: name another folder on a local disk in the variable "
            "APPTAINER_TMPDIR."
        )
    try:
        work = Path(tempfile.mkdtemp(prefix="relion-image.", dir=parent))
    except OSError as error:
        raise WriteError(
            f"{parent} cannot be written ({error.strerror}): name a folder on a local disk in the "
            "variable APPTAINER_TMPDIR."
        ) from error
    try:
        yield work
    finally:
        _remove(work)


def _remove(work: Path) -> None:
    """Remove the work folder; an interrupted build leaves files of --fakeroot's other ids."""
    shutil.rmtree(work, ignore_errors=True)
    if work.exists():
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            as_all_ids = ["unshare", "--user", "--map-root-user", "--map-auto"]
            run([*as_all_ids, "rm", "-rf", str(work)], timeout=120)
    if work.exists():
        sentence = f"{work} could not be removed: ask root to remove it"
        print(f"relion-dispatch: {sentence}", file=sys.stderr, flush=True)


def copy_recipe(definition: Path, work: Path) -> None:
    """Copy the definition and the files beside it, which its %files may name.

    Raises:
        WriteError: they cannot be read, or there is no room.
    """

    def ignored(folder: str, names: list[str]) -> list[str]:
        ours = (BASE, BUILD_BASE, _ARCHIVE)
        return [name for name in names if name in ours or not _is_copied(Path(folder, name))]

    try:
        shutil.copytree(definition.parent, work, ignore=ignored, dirs_exist_ok=True)
    except (OSError, shutil.Error) as error:
        raise WriteError(
            f"The files beside {definition} cannot be copied to {work} ({error}): correct their "
            "permissions, or free space there."
        ) from error


def archive_in(work: Path, name: str, source: BinaryIO) -> Path:
    """Copy an archive into the build's folder, alone in a folder there: the copy's path.

    Raises:
        WriteError: there is no room.
    """
    copy = work / _ARCHIVE / name
    try:
        copy.parent.mkdir()
        with copy.open("xb") as stream:
            shutil.copyfileobj(source, stream, 1 << 20)
    except OSError as error:
        raise WriteError(
            f"{name} cannot be copied to {work.parent} ({error.strerror}): free space there, or "
            "name another folder in the variable APPTAINER_TMPDIR."
        ) from error
    return copy


def _is_copied(path: Path) -> bool:
    """Whether it is a folder, or a file or a link to one that is not too large."""
    try:
        found = path.stat()
    except OSError:  # a link to nothing
        return False
    if stat.S_ISDIR(found.st_mode):
        return not path.is_symlink()
    return stat.S_ISREG(found.st_mode) and found.st_size <= _LARGEST_FILE


@contextmanager
def published(image: Path, output: Path) -> Iterator[None]:
    """The image under its final name, at once and whole; gone again if the block fails.

    Signals wait for the end of the block, so that file and catalogue stay in agreement.

    Raises:
        ImageError: there is a file of that name.
        WriteError: it cannot be written.
    """
    with contextlib.ExitStack() as stack:
        with _written(output):
            folder = stack.enter_context(shared_folder(output.parent))
            partial = folder.unfinished(output.name)
            with folder.opened_new(partial) as stream, image.open("rb") as source:
                stack.callback(_forget, folder, partial)
                os.fchmod(stream.fileno(), 0o755)
                shutil.copyfileobj(source, stream, 1 << 20)
        with _undisturbed():
            with _written(output):
                folder.create(output.name, b"")  # to be replaced, but no other's file
            try:
                with _written(output):
                    folder.rename(partial, output.name)
                yield
            except BaseException:
                _forget(folder, output.name)
                raise


def _forget(folder: SharedFolder, name: str) -> None:
    with contextlib.suppress(OSError):
        folder.remove(name)


@contextmanager
def _written(output: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise ImageError(
            f"{output} was created by someone else while the image was built, so relion-dispatch "
            "leaves it as it is: move that file away and build again, or name another file with "
            "--output. Nothing was changed."
        ) from None
    except OSError as error:
        raise WriteError(
            f"{output} cannot be written ({error.strerror}): free space there, correct the "
            "permissions, or name another folder with --folder."
        ) from error


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let signals wait until the block is done."""
    waiting = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, waiting)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
