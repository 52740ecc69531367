"""The user's private folders: the cache, and one on this machine's own disk for locks and sessions.

The cache holds what can always be made again (checked configurations, digests): data only, no code
and no Python objects. The dispatcher believes what it reads there, so each folder must belong to
the user and be closed to others.
"""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import SubmitError

__all__ = ["cache_folder", "local_lock", "runtime_folder"]


def private_folder(folder: Path) -> Path | None:
    """Make `folder` if it is missing; None unless it is a folder of this user closed to others."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    mine = found.st_uid == os.getuid() and not found.st_mode & 0o022
    return folder if mine and folder.is_dir() and not folder.is_symlink() else None


def cache_folder(purpose: str) -> Path | None:
    """A private folder for `purpose` below the user's cache, None if it cannot be made."""
    home = os.environ.get("HOME", "")
    base = os.environ.get("XDG_CACHE_HOME") or (f"{home}/.cache" if home else "")
    return private_folder(Path(base) / "relion-dispatch" / purpose) if base else None


def runtime_folder() -> Path | None:
    """A private folder of this user on this machine's own disk: locks and sessions live here.

    $RELION_DISPATCH_RUNTIME, else one below /tmp; not $XDG_RUNTIME_DIR, which goes away at logout
    while jobs still run.
    """
    return private_folder(_runtime())


def _runtime() -> Path:
    own = os.environ.get("RELION_DISPATCH_RUNTIME")
    return Path(own or f"/tmp/relion-dispatch-{os.getuid()}")


def local_lock() -> Path:
    """The lock's file; job scripts take it by themselves.

    Raises:
        SubmitError: no private folder can be had for it.
    """
    folder = runtime_folder()
    if folder is None:
        raise SubmitError(
            f"{_runtime()} is not a private folder of this user (the folder must belong to you, "
            "with mode 0700): ask its owner or your admin to remove the folder, or name another "
            "folder in RELION_DISPATCH_RUNTIME; then submit the job again."
        )
    return folder / "local.lock"
