"""Jobs in RELION's pipeline and a stand-in for their queue, for ``status`` and its kin."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dispatcher.cli import main
from dispatcher.dispatch.write_record import record_text
from dispatcher.jobs import cancel as cancelling
from dispatcher.jobs import repair as reconcile

from .stand_in_scheduler import StandIn

TOKEN = "0123456789ab"
SCRIPT = "#!/bin/bash\nexit 64\noutfile: {job}/run.out\n----- commands -----\n"
HEADS = "\n# version 50001\n\ndata_pipeline_processes\n\nloop_ \n_rlnPipeLineProcessName #1 \n"
WORDS = "_rlnPipeLineProcessAlias #2 \n_rlnPipeLineProcessTypeLabel #3 \n"
WORDS += "_rlnPipeLineProcessStatusLabel #4 \n"
NUMBERS = WORDS.replace("Label", "")

AddJob = Callable[..., Path]


@pytest.fixture(name="slurm")
def stand_in_slurm(tmp_path: Path, site: Callable[..., Path]) -> StandIn:
    """A scheduler that knows of no job."""
    return StandIn(tmp_path / "slurm", site)


@pytest.fixture(name="quickly")
def without_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same in less time."""
    monkeypatch.setattr(reconcile, "GRACE", 0.2)
    monkeypatch.setattr(cancelling, "GRACE", 0.2)


@pytest.fixture(name="add_job")
def adding_jobs(project: Path, monkeypatch: pytest.MonkeyPatch) -> AddJob:
    """Add a job to RELION's pipeline, with a record; returns its folder."""
    monkeypatch.chdir(project)
    pipeline = project / "default_pipeline.star"
    pipeline.write_text(HEADS + WORDS)

    def add(
        name: str = "Refine3D/job019", status: str = "Running", *, record: bool = True, **keys: Any
    ) -> Path:
        with pipeline.open("a") as stream:
            stream.write(f"{name}/ None relion.refine3d {status}\n")
        folder = project / name
        folder.mkdir(parents=True)
        (folder / "run_submit.script").write_text(SCRIPT.format(job=name))
        if record:
            described = {
                "job": name,
                "scheduler": "slurm",
                "image": {"name": "relion", "version": "5.1.0"},
                "nproc": 9,
                "ngpu": 4,
                "host": os.uname().nodename,
                "pid": 0,
                "project": str(project),
                "dispatched": "2024-05-01T10:00:00+00:00",
                "token": TOKEN,
                "job_id": "17",
                **keys,
            }
            (folder / "dispatch.json").write_text(record_text(described))
        return folder

    return add


def status(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The rows that ``relion-dispatch status --json`` prints."""
    capsys.readouterr()
    assert main(["status", "--json"]) == 0
    return list(json.loads(capsys.readouterr().out))
