"""Jobs that the real hook dispatched, for the tests of ``relion-dispatch reproduce``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dispatcher import cli

from ..unit.conftest import CORPUS
from .hook_calls import call_hook

OPTIMISER = "data_optimiser_general\n\n_rlnOutputRootName x/run\n_rlnRandomSeed {}\n"


class Ran:
    """A job that was dispatched, and its stand-in results."""

    def __init__(self, project: Path, name: str, tmp_path: Path) -> None:
        self.project, self.name, self.tmp_path = project, name, tmp_path
        self.folder = project / name

    @property
    def record(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "dispatch.json").read_text()))

    def change_record(self, **changes: Any) -> None:
        (self.folder / "dispatch.json").write_text(json.dumps(self.record | changes))

    def reproduce(self, *options: str | Path) -> subprocess.CompletedProcess[str]:
        """``relion-dispatch reproduce JOB`` in the project's folder."""
        return subprocess.run(
            [sys.executable, "-m", "dispatcher", "reproduce", self.name, *options],
            cwd=self.project,
            env={**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1])},
            capture_output=True,
            text=True,
        )

    def script(self, *options: str | Path) -> Path:
        path = self.tmp_path / "again.sh"
        path.unlink(missing_ok=True)
        done = self.reproduce("--write", path, *options)
        assert done.returncode == 0, done.stderr
        assert os.access(path, os.X_OK)
        return path

    def refusal(self, *options: str | Path) -> str:
        done = self.reproduce(*options)
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr.startswith("relion-dispatch: ")
        assert "Traceback" not in done.stderr
        return done.stderr


WriteSite = Callable[..., Path]
Dispatched = Callable[..., Ran]
Started = Callable[..., list[list[str]]]


@pytest.fixture(name="dispatched")
def dispatching(site: WriteSite, project: Path, tmp_path: Path) -> Callable[..., Ran]:
    """Dispatch a job of the corpus, or one of these command lines, with the real hook."""

    def dispatch(
        source: str = "", commands: str = "", folder: Path = project, **settings: Any
    ) -> Ran:
        scheduler = {"submit_command": ["echo", "4711"], "job_id": r"^(\d+)", "directives": "slurm"}
        site("site.json", {"scheduler": "t", "schedulers": {"t": scheduler}, **settings})
        if source:
            name = Path(source).name.replace("_job", "/job")
            (folder / name).mkdir(parents=True, exist_ok=True)
            for file in (CORPUS / source).iterdir():
                shutil.copyfile(file, folder / name / file.name)
        else:
            name = "Class2D/job001"
            (folder / name).mkdir(parents=True, exist_ok=True)
            lines = [f"{name}/run.out", f"{name}/run.err", *commands.splitlines(), ""]
            (folder / name / "run_submit.script").write_text("\n".join(lines))
        stack = folder / "Extract/job006/stack.mrcs"
        stack.parent.mkdir(parents=True, exist_ok=True)
        stack.write_bytes(b"images")
        os.utime(stack, (1, 1))
        done = call_hook(folder / name / "run_submit.script", folder)
        assert done.returncode == 0, done.stderr
        return Ran(folder, name, tmp_path)

    return dispatch


@pytest.fixture(name="started")
def starting(tmp_path: Path) -> Callable[..., list[list[str]]]:
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


def stopped(script: Path) -> str:
    """What the script says when it stops before it starts a container."""
    path = {"PATH": f"{script.parent}/programs:/usr/bin:/bin", "STARTED": "/dev/full"}
    done = subprocess.run(["bash", script], env=path, capture_output=True, text=True)
    assert done.returncode != 0
    return done.stderr


def options(argv: list[str], *names: str) -> list[str]:
    return [argv[argv.index(name) + 1] for name in names]
