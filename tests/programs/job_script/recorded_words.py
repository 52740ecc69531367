"""The words that the stand-in for Apptainer was given."""

from __future__ import annotations

from pathlib import Path


def recorded(tmp_path: Path) -> list[list[str]]:
    """The argument lists that reached the programs in the container, launchers left out."""
    calls = (tmp_path / "recorded").read_text().removesuffix("\n").split("\0\n")
    found = []
    for call in calls:
        words = call.removesuffix("\0").split("\0")
        start = next(at for at, word in enumerate(words) if word.startswith(("relion_", "/")))
        found.append(words[start:])
    return found
