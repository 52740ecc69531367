"""Lay out the project and the site that 0.1.0 left (``tests/data/kept-0.1.0``)."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

from .sif_file import write_sif

__all__ = ["lay_out"]

KEPT = Path(__file__).parent / "data" / "kept-0.1.0"
TOKEN = "a2f91b2df4d2"  # of the job that runs on this machine
IMAGES = [
    f"relion-{version}-{kind}.sif" for version in ("5.1.0", "3.1.3") for kind in ("cuda", "cpu")
]


def lay_out(folder: Path) -> Path:
    """Put ``project`` and ``site`` into a folder, as of this machine; returns the project.

    Each submission script is older than its record, as it was. The job that runs on this machine
    has a token of its own, for `status` looks for that among all processes.
    """
    own = secrets.token_hex(6)

    def here(text: str) -> str:
        text = text.replace(TOKEN, own).replace("/data", str(folder))
        return text.replace("login1", os.uname().nodename)

    for path in [path for part in ("project", "site") for path in (KEPT / part).rglob("*")]:
        if path.is_file():
            target = folder / str(path.relative_to(KEPT)).replace(TOKEN, own)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(here(path.read_text()))
    for name, text in json.loads((KEPT / "links.json").read_text()).items():
        (folder / name.replace(TOKEN, own)).symlink_to(here(text))
    for image in IMAGES:
        write_sif(folder / "site" / image)
    for script in folder.glob("project/*/*/run_submit.script"):
        os.utime(script, (script.stat().st_atime, script.stat().st_mtime - 10))
    return folder / "project"
