"""Who has to open a job's record, if a file or folder of another user keeps it from this one?"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ..host.users import owner_of
from .record import RECORD

__all__ = ["Closed", "closed_to_this_user", "what_to_do"]


class Closed(NamedTuple):
    """What keeps a user from a colleague's record: the file, or a folder on the way to it.

    Attributes:
        owner: the user's name.
        folder: the folder; None if the record's file itself is closed.
    """

    owner: str
    folder: Path | None


def what_to_do(folder: Path, otherwise: str) -> str:
    """What helps against a record that cannot be read: a colleague's may be of a job that runs, of
    which this user's queue tells nothing."""
    closed = closed_to_this_user(folder)
    if closed is None:
        return otherwise
    todo = f"`chmod g+rx {closed.folder}`" if closed.folder else "`chmod g+r` on that file"
    return f"ask {closed.owner}, whose job it is, to run {todo}."


def closed_to_this_user(folder: Path) -> Closed | None:
    """Why this user may not read the record of a job of another user; None if the record can be
    read, if it is the user's own, or if there is none."""
    file = folder / RECORD
    with suppress(OSError):
        try:
            if file.lstat().st_uid != os.getuid() and not os.access(file, os.R_OK):
                return Closed(owner_of(file), None)
        except PermissionError:
            # The nearest folder that can be seen is the one that cannot be looked into.
            closed = next(filter(os.path.lexists, file.parents))
            if closed.lstat().st_uid != os.getuid():
                return Closed(owner_of(closed), closed)
    return None
