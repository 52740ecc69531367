"""Write a script that this user's hook has rendered again: what lies there may be another's."""

from __future__ import annotations

from pathlib import Path

from ..host.atomic_files import write_atomically
from ..host.shared_files import read_file
from .seal import text_digest

__all__ = ["write_anew"]

_LONGEST = 1 << 20  # bytes


def write_anew(script: Path, digest: str | None) -> bool:
    """Write anew a script that a sealed record knows by its digest; False if it is lost.

    Raises:
        WriteError: the folder cannot be written.
    """
    try:
        text = read_file(script, _LONGEST)
    except OSError:
        return False
    if text_digest(text) != digest:
        return False
    write_atomically(script, text, mode=0o644)
    return True
