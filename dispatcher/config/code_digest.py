"""Which code of the dispatcher this is, as versions do not tell one checkout from another."""

from __future__ import annotations

import hashlib
from pathlib import Path

__all__ = ["code_digest"]


def code_digest() -> str:
    """The digest of the dispatcher's own Python files, by name and content."""
    package = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package)
        digest.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()
