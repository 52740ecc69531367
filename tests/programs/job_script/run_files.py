"""What a job script has left in its job's folder."""

from __future__ import annotations

from pathlib import Path

TOKEN = "0123456789ab"


def last_line(script: Path) -> str:
    """The last line of the job's run.err."""
    return (script.parent / "run.err").read_text(errors="replace").splitlines()[-1]
