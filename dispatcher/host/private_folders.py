"""The user's private folders: the cache, and one on this machine's own disk for locks and sessions.

The cache holds what can always be made again (checked configurations, digests): data only, no code
and no Python objects. The key that seals records must stay, so it is kept where programs keep their
state. The dispatcher believes what it reads there, and whoever can open a lock can hold it. So a
folder is opened once, is looked at as it was opened, and is used only if it belongs to the user and
is closed to others.

Another user may have made our folder below /tmp first. Then all processes of the user on this
machine go to a folder in the user's home: who makes either folder holds a lock in the home
meanwhile, so that all find the same one.
"""

from __future__ import annotations

import os
import pwd
from contextlib import ExitStack, suppress
from pathlib import Path

from ..errors import SubmitError, WriteError
from .file_lock import locked
from .shared_files import SharedFolder, shared_folder

__all__ = ["keep", "kept", "local_lock", "make_local_lock", "make_runtime_folder", "own_key"]

_WRITABLE, _OPEN = 0o022, 0o077  # to others: their folder cannot be believed; not private
_LARGEST_KEPT = 4 << 20  # bytes
_LOCK = "local.lock"
_KEY = "own.key"
_KEY_LENGTH = 32  # bytes


def kept(purpose: str, name: str) -> bytes | None:
    """What the cache has of that name for a purpose; None if there is nothing to be believed."""
    with suppress(OSError), ExitStack() as stack:
        folder = _cache(purpose)
        if folder and (opened := _opened(stack, folder, _WRITABLE)):
            found = opened.status(name)
            if found.st_uid == os.getuid() and not found.st_mode & _WRITABLE:
                return opened.read(name, _LARGEST_KEPT)
    return None


def keep(purpose: str, name: str, content: bytes) -> None:
    """Put something into the cache. Nothing depends on it, so this never fails."""
    folder = _cache(purpose)
    with suppress(OSError), ExitStack() as stack:
        if folder and (opened := _made(stack, folder, _WRITABLE)):
            opened.replace(name, content, 0o600)


def own_key(*, make: bool) -> bytes | None:
    """Random bytes that this user alone can read, and that stay; made if they are missing and
    `make` is set. None if there are none, or none to be believed."""
    folder = _below("XDG_STATE_HOME", ".local/state")
    with suppress(OSError), ExitStack() as stack:
        if folder and (opened := (_made if make else _opened)(stack, folder, _WRITABLE)):
            if make and not opened.holds(_KEY):
                with suppress(FileExistsError):  # another process was quicker
                    opened.replace(_KEY, os.urandom(_KEY_LENGTH), 0o600, is_new=True)
            found, key = opened.status(_KEY), opened.read(_KEY, _KEY_LENGTH)
            mine = found.st_uid == os.getuid() and not found.st_mode & _OPEN
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


def local_lock() -> Path:
    """The lock's file, which job scripts take by themselves; nothing is made."""
    first = _first_place()
    if _is_private(first):
        return first / _LOCK
    other = _place_at_home()
    if other and (_is_private(other) or os.path.lexists(first)):
        return other / _LOCK
    return first / _LOCK


def make_local_lock() -> Path:
    """The lock's file, in a folder that is made if it is missing.

    Raises:
        SubmitError: no private folder can be had for it.
    """
    folder = make_runtime_folder()
    if folder is None:
        places = " and ".join(str(each) for each in (_first_place(), _place_at_home()) if each)
        raise SubmitError(
            f"{places} cannot be a private folder of this user (the folder must belong to you, "
            "with mode 0700): run `chmod 700` on a folder of yours, ask the owner or your admin to "
            "remove another's, or name another folder in RELION_DISPATCH_RUNTIME; then submit the "
            "job again."
        )
    if not os.path.lexists(folder / _LOCK):
        with suppress(OSError), shared_folder(folder) as opened:
            os.close(opened.opened_lock(_LOCK))  # closed to others, in a folder that they may enter
    return folder / _LOCK


def make_runtime_folder() -> Path | None:
    """A private folder of this user on this machine's own disk: locks and sessions live here.

    $RELION_DISPATCH_RUNTIME, else one below /tmp, else one in the user's home. Not
    $XDG_RUNTIME_DIR, which goes away at logout while jobs still run. None if none can be had.
    """
    first = _first_place()
    if _is_private(first):
        return first
    other = _place_at_home()
    with ExitStack() as stack:
        if other:
            _lock(stack, other)
        # Once the other folder is there, it stays the one.
        places = (other, first) if other and _is_private(other) else (first, other)
        for place in filter(None, places):
            with suppress(OSError):
                if _made(stack, place, _must_be_closed_to()):
                    return place
    return None


def _first_place() -> Path:
    own = os.environ.get("RELION_DISPATCH_RUNTIME")
    return Path(own or f"/tmp/relion-dispatch-{os.getuid()}").absolute()


def _place_at_home() -> Path | None:
    """Another place, unless the user has named the first one."""
    if os.environ.get("RELION_DISPATCH_RUNTIME"):
        return None
    try:
        home = pwd.getpwuid(os.getuid()).pw_dir  # the same in each process, unlike $HOME
    except KeyError:
        home = os.environ.get("HOME", "")
    folder = Path(home) / ".cache" / "relion-dispatch" / f"on-{os.uname().nodename}"
    return folder if folder.is_absolute() else None


def _is_private(folder: Path) -> bool:
    with suppress(OSError), ExitStack() as stack:
        return _opened(stack, folder, _must_be_closed_to()) is not None
    return False


def _must_be_closed_to() -> int:
    """Others may enter a folder that the user has named; all in it is closed to them."""
    return _WRITABLE if os.environ.get("RELION_DISPATCH_RUNTIME") else _OPEN


def _lock(stack: ExitStack, folder: Path) -> None:
    """Hold a lock beside the folder, if that can be had within some seconds."""
    with suppress(OSError, WriteError):
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = folder.with_name(f"{folder.name}.lock")
        stack.enter_context(locked(beside, f"The folder {folder}", seconds=5, doing="making"))


def _made(stack: ExitStack, folder: Path, closed_to: int) -> SharedFolder | None:
    """The folder, made if it is missing; None if it is not this user's alone."""
    missing = [each for each in (folder, *folder.parents) if not os.path.lexists(each)]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
    return _opened(stack, folder, closed_to)


def _opened(stack: ExitStack, folder: Path, closed_to: int) -> SharedFolder | None:
    """The folder; None if it is a link, another user's, or open to others in those ways.

    Raises:
        OSError: there is no folder, or it cannot be opened.
    """
    beside = stack.enter_context(shared_folder(folder.parent))
    opened = stack.enter_context(beside.inside(folder.name))
    found = opened.status()
    mine = found.st_uid == os.getuid() and not found.st_mode & closed_to
    return opened if mine else None
