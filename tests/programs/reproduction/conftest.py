"""Jobs that the real hook dispatched, and a bash that runs scripts with stand-ins."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ...corpus import copy_job
from ...fixture_types import WriteSite
from ...kept_project import lay_out
from ..hook_calls import call_hook
from .recorded_jobs import Dispatched, Ran, Started
from .strangers import Stranger


@pytest.fixture
def dispatched(site: WriteSite, project: Path, tmp_path: Path) -> Dispatched:
    """Dispatch a job of the corpus, or one of these command lines, with the real hook."""

    def dispatch(
        source: str = "", commands: str = "", folder: Path = project, **settings: Any
    ) -> Ran:
        scheduler = {"submit_command": ["echo", "4711"], "job_id": r"^(\d+)", "directives": "slurm"}
        site("site.json", {"scheduler": "t", "schedulers": {"t": scheduler}, **settings})
        if source:
            script = copy_job(source, folder)
        else:
            name = "Class2D/job001"
            (folder / name).mkdir(parents=True, exist_ok=True)
            lines = [f"{name}/run.out", f"{name}/run.err", *commands.splitlines(), ""]
            script = folder / name / "run_submit.script"
            script.write_text("\n".join(lines))
        stack = folder / "Extract/job006/stack.mrcs"
        stack.parent.mkdir(parents=True, exist_ok=True)
        stack.write_bytes(b"images")
        os.utime(stack, (1, 1))
        done = call_hook(script, folder)
        assert done.returncode == 0, done.stderr
        return Ran(folder, str(script.parent.relative_to(folder)), tmp_path)

    return dispatch


@pytest.fixture
def started(tmp_path: Path) -> Started:
    """Run a script with a stand-in for Apptainer; returns the arguments that it was given."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("apptainer", "srun"):
        program = programs / name
        program.write_text('#!/bin/bash\nprintf "%s\\0" "$0" "$@" $\'\\n\' >> "$STARTED"\n')
        program.chmod(0o755)

    def run(script: Path, **environment: str) -> list[list[str]]:
        log = tmp_path / "started"
        log.unlink(missing_ok=True)
        done = subprocess.run(
            ["bash", script],
            cwd="/",
            env={"PATH": f"{programs}:/usr/bin:/bin", "STARTED": str(log), **environment},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        calls = log.read_text().split("\n\0")[:-1]
        return [[Path(words[0]).name, *words[1:-1]] for words in (c.split("\0") for c in calls)]

    return run


@pytest.fixture
def stranger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Stranger:
    """A record and inputs that came from elsewhere, to be changed and reproduced."""
    project = lay_out(tmp_path)
    monkeypatch.chdir(project)
    return Stranger(project, capfd)
