"""Programs that stand in for others: files in ``tests/stand_ins``, linked where they are found."""

from __future__ import annotations

from pathlib import Path

__all__ = ["link_stand_in"]

STAND_INS = Path(__file__).parent / "stand_ins"


def link_stand_in(name: str, folder: Path, called: str = "") -> Path:
    """Put a stand-in (``apptainer``, ``gpu/nvidia-smi``) into a folder; returns its path there.

    Each says in its first lines what it does, and which variables of the environment it reads.
    """
    link = folder / (called or Path(name).name)
    link.symlink_to(STAND_INS / name)
    return link
