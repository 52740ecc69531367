"""Jobs with a daemon, for what is not about RELION."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ..jobs import REFINE
from ..project import Project

__all__ = ["add_stand_in_job"]


def add_stand_in_job(project: Project, command: str = "exit 0") -> Path:
    """Add a refinement that runs `command` where Apptainer would be: for what is not about RELION.

    RELION's own pipeliner, which adds the job, still runs in its container.
    """
    stand_in = project.folder / "apptainer"
    looks = 'while [[ " $* " == *" sh -c "* ]]; do [ "$1" != sh ] || exec "$@"; shift; done'
    stand_in.write_text(f'#!/bin/bash\n[[ " $* " == *" exec "* ]] || exit 1\n{looks}\n{command}\n')
    stand_in.chmod(0o755)
    site = Path(project.environment["RELION_DISPATCH_SITE"]) / "site.json"
    content = json.loads(site.read_text())
    real = {"program": os.environ["RELION_TEST_APPTAINER"]}
    site.write_text(json.dumps(content | {"apptainer": real}))
    job = project.add_job("refine3d", **REFINE)
    site.write_text(json.dumps(content | {"apptainer": {"program": str(stand_in)}}))
    return job
