"""A file system without locks, simulated: a preloaded library answers flock(2) and fcntl(2)."""

from __future__ import annotations

import subprocess
from pathlib import Path

__all__ = ["without_locks"]


def without_locks(folder: Path, error: str) -> dict[str, str]:
    """The variables with which programs find no locks; `error` is ENOLCK or ENOSYS."""
    library = folder / "no_locks.so"
    source = Path(__file__).parent / "stand_ins" / "locks" / "no_locks.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-Wall", "-o", library, source], check=True)
    return {"LD_PRELOAD": str(library), "NO_LOCKS": error}
