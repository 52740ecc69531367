"""The users of this machine, by name."""

from __future__ import annotations

import pwd

__all__ = ["user_name"]


def user_name(uid: int) -> str:
    """The user's name; ``user 1234`` if this machine knows none for that number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
