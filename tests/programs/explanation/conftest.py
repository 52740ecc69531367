"""A project on a site with several partitions, and a stand-in for its queue."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dispatcher.cli import main

from ...corpus import fill_project
from ...fixture_types import CorpusJob, WriteSite
from ..jobs.pipeline_jobs import HEADS, WORDS
from ..stand_in_scheduler import StandIn
from .explained import JOB, Explained

PARTITIONS = {
    "old": {"cores": 48, "gpus": 4, "gpu_memory": "11G", "memory": "190G"},
    "new": {"cores": 64, "gpus": 4, "gpu_memory": "48G", "memory": "500G", "time": "2-00:00:00"},
    "big": {"cores": 128, "gpus": 8, "gpu_memory": "80G", "memory": "1T"},
    "cpu": {"cores": 96, "memory": "384G", "gpus": 0},
}
PARAMETERS = {
    "submit": {"partition": "cpu", "time": "1-00:00:00"},
    "gpu": {"partitions": ["old", "new", "big"]},
}


@pytest.fixture
def slurm(tmp_path: Path, site: WriteSite, images: Path) -> StandIn:
    """A scheduler that takes each job as number 17, on a site with four partitions."""
    assert images.is_file()
    started = StandIn(tmp_path / "slurm", site)
    content = json.loads((tmp_path / "site" / "site.json").read_text())
    site("site.json", {**content, "partitions": PARTITIONS, "job_parameters": PARAMETERS})
    return started


@pytest.fixture
def script(project: Path, corpus_job: CorpusJob, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The submission script of a refinement of 600 pixels, which is in RELION's list of jobs."""
    fill_project(project, 600)
    (project / "default_pipeline.star").write_text(
        f"{HEADS}{WORDS}{JOB}/ None relion.refine3d Running\n"
    )
    monkeypatch.chdir(project)
    return corpus_job("relion-5.0.1/Refine3D_job011")


@pytest.fixture
def explain(capsys: pytest.CaptureFixture[str]) -> Callable[..., Explained]:
    """What ``relion-dispatch explain`` prints: ``explain("Refine3D/job011", "--json")``."""

    def call(*words: str | Path) -> Explained:
        capsys.readouterr()
        status = main(["explain", *map(str, words or (JOB,))])
        return Explained(status, *capsys.readouterr())

    return call
