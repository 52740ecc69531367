"""A private folder on this machine's own disk, for sessions, and for the lock of local jobs.

Whoever can open a lock can hold it. Another user may have made our folder below /tmp first. Then
all processes of the user on this machine go to a folder in the user's home: who makes either folder
holds a lock in the home meanwhile, so that all find the same one.
"""

from __future__ import annotations

import os
import pwd
from contextlib import ExitStack, suppress
from pathlib import Path

from ..errors import SubmitError, WriteError
from .file_lock import locked
from .private_folders import TO_ENTER, TO_WRITE, made, opened
from .shared_files import shared_folder

__all__ = ["local_lock", "make_local_lock", "make_runtime_folder"]

_LOCK = "local.lock"


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
        with suppress(OSError), shared_folder(folder) as there:
            os.close(there.opened_lock(_LOCK))  # closed to others, in a folder that they may enter
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
                if made(stack, place, _must_be_closed_to()):
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
        return opened(stack, folder, _must_be_closed_to()) is not None
    return False


def _must_be_closed_to() -> int:
    """Others may enter a folder that the user has named; all in it is closed to them."""
    return TO_WRITE if os.environ.get("RELION_DISPATCH_RUNTIME") else TO_ENTER


def _lock(stack: ExitStack, folder: Path) -> None:
    """Hold a lock beside the folder, if that can be had within some seconds."""
    with suppress(OSError, WriteError):
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = folder.with_name(f"{folder.name}.lock")
        stack.enter_context(locked(beside, f"The folder {folder}", seconds=5, doing="making"))
