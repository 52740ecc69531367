"""Jobs in RELION's pipeline, and a stand-in for their queue."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dispatcher.dispatch.write_record import record_text
from dispatcher.jobs import cancel as cancelling
from dispatcher.jobs import repair as reconcile
from dispatcher.jobs.seal import Sealed, seal, text_digest

from ...fixture_types import WriteSite
from ...waiting import wait_for
from ..stand_in_scheduler import StandIn
from .cut_job import GOES_ON, JOB, RUN, SCRIPT, cut, script_runs
from .cut_job import TOKEN as CUT
from .pipeline_jobs import HEADS, TOKEN, WORDS, AddJob
from .pipeline_jobs import SCRIPT as SUBMITTED


@pytest.fixture
def slurm(tmp_path: Path, site: WriteSite) -> StandIn:
    """A scheduler that knows of no job."""
    return StandIn(tmp_path / "slurm", site)


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same in less time."""
    monkeypatch.setattr(reconcile, "GRACE", 0.2)
    monkeypatch.setattr(cancelling, "GRACE", 0.2)


@pytest.fixture
def add_job(project: Path, monkeypatch: pytest.MonkeyPatch) -> AddJob:
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
        (folder / "run_submit.script").write_text(SUBMITTED.format(job=name))
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
            scripts = map(described.get, ("watcher_script", "job_script_sha256"))
            command = described.get("submit_command", ())
            what = Sealed(project, name, described["token"], *scripts, command)
            described.setdefault("seal", seal(what))
            (folder / "dispatch.json").write_text(record_text(described))
        return folder

    return add


@pytest.fixture
def local(site: WriteSite) -> None:
    """This machine alone."""
    site("site.json", {"scheduler": "local"})


@pytest.fixture
def add_local(add_job: AddJob) -> Iterator[AddJob]:
    """Add a job whose first run was cut an hour ago; its script ends when the test does."""
    folders = []

    def add(**keys: Any) -> Path:
        known = {
            "scheduler": "local", "goes_on": GOES_ON, "job_script_sha256": text_digest(SCRIPT),
            "submit_command": ["bash", RUN, CUT], "token": CUT, "job_id": "4194303", **keys,
        }  # fmt: skip
        folder = add_job(JOB, **known)
        folders.append(folder)
        (folder / "run_submit.script.run").write_text(SCRIPT)
        cut(folder)
        return folder

    yield add
    for folder in folders:
        (folder / "go").touch()
    wait_for(lambda: not script_runs(), what="the end of the test's jobs")
