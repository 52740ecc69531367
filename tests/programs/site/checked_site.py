"""What the tests of ``check`` share: two job types, and a stand-in for Apptainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["TYPES", "install_apptainer"]

TYPES: dict[str, Any] = {
    "submit": {"match_command": "None", "job_parameters": {"nproc": 1}},
    "refine": {"inherits": "submit", "match_command": "relion_refine", "image": "relion"},
}


def install_apptainer(folder: Path, version: str, fails: str = "") -> None:
    """Put there an Apptainer that prints this version, and fails so to start an image."""
    start = f"echo '{fails}' >&2; exit 255" if fails else "exit 0"
    program = folder / "bin" / "apptainer"
    program.write_text(
        f'#!/bin/sh\n[ "$1" != --version ] || {{ echo {version}; exit; }}\n{start}\n'
    )
    program.chmod(0o755)
