"""The private folder through which RELION in its container reaches the launcher outside.

    relion_client.sh, relion_template.sh   what RELION_QSUB_COMMAND and _TEMPLATE name
    launcher                               who answers: process id, start time, namespace
    requests/, replies/, bell              deploy/relion_client.sh tells what lies in them

The folder is locked as long as the launcher or any program of the container runs: no other session
removes the folder, and systemd-tmpfiles does not remove it, however long a window stays open.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..config.places import shipped_folder, site_folder
from ..errors import WriteError
from ..host.processes import start_time
from ..host.runtime_folder import make_runtime_folder

__all__ = ["CLIENT", "INSIDE", "TEMPLATE", "session_folder"]

# RELION remembers its queue command in the project's .gui_*job.star, so the path that it sees must
# be the same in every session; the folder outside differs.
INSIDE = "/relion-dispatch"
CLIENT = "relion_client.sh"
TEMPLATE = "relion_template.sh"

_NEW = 60  # seconds in which a folder without a lock may be another session's that is being made


@contextmanager
def session_folder() -> Iterator[tuple[Path, int]]:
    """Make a folder (0700) of this session's own, and the descriptor that locks it.

    The descriptor is to be inherited by the container. The folder is removed at the end.

    Raises:
        WriteError: the folder cannot be made or filled.
    """
    base = make_runtime_folder()
    if base:
        _sweep(base)
    try:
        folder = Path(tempfile.mkdtemp(prefix="session-", dir=base))
    except OSError as error:
        raise WriteError(
            f"No private folder for this session can be made ({error}): free space there, "
            "or name another folder in the variable RELION_DISPATCH_RUNTIME."
        ) from error
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        # A high number, out of the way of shell scripts' own descriptors.
        lock = fcntl.fcntl(opened, fcntl.F_DUPFD_CLOEXEC, 100)
    finally:
        os.close(opened)
    try:
        try:
            _fill(folder)
        except OSError as error:
            raise WriteError(
                f"The session's folder {folder} cannot be filled ({error}): free space there, "
                "and start the session again."
            ) from error
        yield folder, lock
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _fill(folder: Path) -> None:
    own_template = site_folder() / "job_template" / TEMPLATE
    shipped_template = shipped_folder() / "job_template" / TEMPLATE
    shutil.copy(own_template if own_template.is_file() else shipped_template, folder / TEMPLATE)
    shutil.copy(shipped_folder() / "deploy" / CLIENT, folder / CLIENT)
    (folder / CLIENT).chmod(0o700)
    (folder / "requests").mkdir(mode=0o700)
    (folder / "replies").mkdir(mode=0o700)
    os.mkfifo(folder / "bell", mode=0o600)
    namespace = Path("/proc/self/ns/pid").readlink()
    (folder / "launcher").write_text(f"{os.getpid()} {start_time(os.getpid())} {namespace}\n")


def _sweep(base: Path) -> None:
    """Remove the folders of sessions that were killed and whose programs have ended since."""
    for folder in base.glob("session-*"):
        try:
            if time.time() - folder.stat().st_mtime < _NEW:
                continue
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue  # in use
        else:
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)
