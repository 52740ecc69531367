"""The sha256 of a file, as records and catalogues have it."""

from __future__ import annotations

import hashlib
from pathlib import Path

__all__ = ["sha256"]


def sha256(path: Path) -> str:
    """The digest of a small file in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
