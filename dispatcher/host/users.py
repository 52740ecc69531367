"""The users of this machine, by name: who owns a file, in a sentence that sends somebody to them.

In the appliance the host is asked. There, every other user's file seems to belong to "nobody", and
the image knows none of the host's users.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

__all__ = ["owner_of", "owners_of", "user_name"]

_AT_ONCE = 200  # paths that one command is asked about
_PATIENCE = 20  # seconds for its answer


def user_name(uid: int) -> str:
    """The user's name; ``user 1234`` if this machine knows none for that number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def owner_of(path: Path) -> str:
    """The name of the user to whom the file, folder or link belongs; "its owner" if it is gone."""
    return owners_of([path])[0]


def owners_of(paths: Sequence[Path]) -> list[str]:
    """The same for many files: the host is not asked once for each."""
    from .programs import in_appliance

    seen_here = list(map(_seen_here, paths))
    if not in_appliance():
        return seen_here
    return [
        name
        for at in range(0, len(paths), _AT_ONCE)
        for name in _as_the_host_says(paths[at : at + _AT_ONCE]) or seen_here[at : at + _AT_ONCE]
    ]


def _seen_here(path: Path) -> str:
    try:
        return user_name(path.lstat().st_uid)
    except OSError:
        return "its owner"


def _as_the_host_says(paths: Sequence[Path]) -> list[str] | None:
    """The names; None if the host does not know all of these files."""
    from .programs import run

    try:
        done = run(["stat", "-c", "%U %u", "--", *map(os.fspath, paths)], timeout=_PATIENCE)
    except (OSError, subprocess.TimeoutExpired):
        return None
    names = list(_names(done.stdout))
    return names if len(names) == len(paths) else None


def _names(printed: str) -> Iterator[str]:
    for line in printed.splitlines():
        name, _, uid = line.rpartition(" ")
        yield f"user {uid}" if name == "UNKNOWN" else name
