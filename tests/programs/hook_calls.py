"""Calls of the hook as RELION makes them: with a path relative to the project, from its folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from .appliance_form import DEPLOY

__all__ = ["call_hook", "start_hook"]

HOOK = DEPLOY / "relion_dispatch.py"


def start_hook(
    script: Path | str, project: Path | None = None, **environment: str
) -> subprocess.Popen[str]:
    """Start the hook for a submission script; the project is the script's own unless given."""
    if project is None:
        project = Path(script).parents[2]
    if isinstance(script, Path) and script.is_relative_to(project):
        script = script.relative_to(project)
    return subprocess.Popen(
        [HOOK, script],
        cwd=project,
        env={**os.environ, "RELION_DISPATCH_PYTHON": sys.executable, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def call_hook(
    script: Path | str, project: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Start the hook, and wait for its end."""
    with start_hook(script, project, **environment) as hook:
        printed = hook.communicate(timeout=60)
    return subprocess.CompletedProcess(hook.args, hook.returncode, *printed)
