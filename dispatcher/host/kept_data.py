"""What is kept for the user: a cache, and a key.

The cache holds what can always be made again (checked configurations, digests): data only, no code
and no Python objects. The key that seals records must stay, so it is kept where programs keep their
state. The dispatcher believes what it reads there.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from pathlib import Path

from .private_folders import TO_ENTER, TO_WRITE, made, opened

__all__ = ["keep", "kept", "own_key"]

_LARGEST_KEPT = 4 << 20  # bytes
_KEY = "own.key"
_KEY_LENGTH = 32  # bytes


def kept(purpose: str, name: str) -> bytes | None:
    """What the cache has of that name for a purpose; None if there is nothing to be believed."""
    with suppress(OSError), ExitStack() as stack:
        folder = _cache(purpose)
        if folder and (there := opened(stack, folder, TO_WRITE)):
            found = there.status(name)
            if found.st_uid == os.getuid() and not found.st_mode & TO_WRITE:
                return there.read(name, _LARGEST_KEPT)
    return None


def keep(purpose: str, name: str, content: bytes) -> None:
    """Put something into the cache. Nothing depends on it, so this never fails."""
    folder = _cache(purpose)
    with suppress(OSError), ExitStack() as stack:
        if folder and (there := made(stack, folder, TO_WRITE)):
            there.replace(name, content, 0o600)


def own_key(*, make: bool) -> bytes | None:
    """Random bytes that this user alone can read, and that stay; made if they are missing and
    `make` is set. None if there are none, or none to be believed."""
    folder = _below("XDG_STATE_HOME", ".local/state")
    with suppress(OSError), ExitStack() as stack:
        if folder and (there := (made if make else opened)(stack, folder, TO_WRITE)):
            if make and not there.holds(_KEY):
                with suppress(FileExistsError):  # another process was quicker
                    there.replace(_KEY, os.urandom(_KEY_LENGTH), 0o600, is_new=True)
            found, key = there.status(_KEY), there.read(_KEY, _KEY_LENGTH)
            mine = found.st_uid == os.getuid() and not found.st_mode & TO_ENTER
            return key if mine and len(key) == _KEY_LENGTH else None
    return None


def _cache(purpose: str) -> Path | None:
    base = _below("XDG_CACHE_HOME", ".cache")
    return base and base / purpose


def _below(variable: str, in_home: str) -> Path | None:
    """Our folder in the one that a variable names, else in the user's home; it may be missing."""
    home = os.environ.get("HOME", "")
    base = os.environ.get(variable) or (f"{home}/{in_home}" if home else "")
    return Path(base) / "relion-dispatch" if base else None
