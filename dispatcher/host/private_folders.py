"""Folders that are this user's alone, for the files that the dispatcher believes.

A folder is opened once, is looked at as it was opened, and is used only if it belongs to the user
and is closed to others.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

from .shared_files import SharedFolder, shared_folder

__all__ = ["TO_ENTER", "TO_WRITE", "made", "opened"]

# The bits of a mode that others must not have: whoever can write there can put anything in place.
TO_WRITE, TO_ENTER = 0o022, 0o077


def made(stack: ExitStack, folder: Path, closed_to: int) -> SharedFolder | None:
    """The folder, made if it is missing; None if it is not this user's alone."""
    missing = [each for each in (folder, *folder.parents) if not os.path.lexists(each)]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
    return opened(stack, folder, closed_to)


def opened(stack: ExitStack, folder: Path, closed_to: int) -> SharedFolder | None:
    """The folder; None if it is a link, another user's, or open to others in those ways.

    Raises:
        OSError: there is no folder, or it cannot be opened.
    """
    beside = stack.enter_context(shared_folder(folder.parent))
    inside = stack.enter_context(beside.inside(folder.name))
    found = inside.status()
    mine = found.st_uid == os.getuid() and not found.st_mode & closed_to
    return inside if mine else None
