"""Jobs of LSF that go on: it puts them back into the queue."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.jobs.record import RECORD, load_record

from ...fixture_types import CorpusJob, WriteSite
from ...waiting import wait_for
from ..hook_calls import call_hook
from .cluster import Cluster, record_of, running_in_pipeline
from .test_faults import SLEEPS, end_of, errors


@pytest.fixture
def limit() -> str:
    """The job's time limit: a minute is six seconds here, and LSF warns two of these before."""
    return "0:04:00"


@pytest.fixture
def script(
    cluster: Cluster,
    limit: str,
    site: WriteSite,
    corpus_job: CorpusJob,
    images: Path,
    tmp_path: Path,
) -> Path:
    """The submission of a job that goes on; its first run works until it is told to end."""
    site(
        "site.json",
        {
            "scheduler": cluster.dialect,
            "goes_on": True,
            "job_parameters": {"submit": {"time": limit}},
        },
    )
    again = tmp_path / "again"
    cluster.does(f'[ -e "{again}" ] || {{ : >"{again}"; {SLEEPS}; }}')
    script = corpus_job("relion-5.0.1/MotionCorr_job002")
    running_in_pipeline(script)
    done = call_hook(script)
    assert done.returncode == 0, done.stderr
    wait_for(cluster.recorded.exists, 60, "the start of the program")
    return script


def only(dialect: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("cluster", [dialect], indirect=True)


def runs(script: Path) -> list[str | None]:
    """Why each run of the job was cut; None for one that was not."""
    return [run.why for run in load_record(script.parent / RECORD).runs]


def starts(cluster: Cluster) -> int:
    """How many times a program was started."""
    return len(cluster.recorded.read_text().splitlines())


@only("lsf")
def test_a_job_of_lsf_outlives_its_time_limit(cluster: Cluster, script: Path) -> None:
    watcher = record_of(script)["watcher"]["job_id"]
    wait_for(lambda: runs(script)[:1] == ["time_limit"], 40, "the cut")
    assert cluster.states()[watcher] == "PEND"

    assert end_of(script, 60)[0] == "SUCCESS", errors(script)

    assert runs(script) == ["time_limit", None]
    assert starts(cluster) == 2
    assert "Run 1 of the job reached its time limit" in (script.parent / "run.out").read_text()
    wait_for(lambda: not cluster.living(), 30, "the end of the watcher")


@only("lsf")
def test_a_job_of_lsf_that_is_killed_has_ended(cluster: Cluster, script: Path) -> None:
    cluster.kill(record_of(script)["job_id"])

    assert end_of(script, 30)[0] == "FAILURE"
    wait_for(lambda: not cluster.living(), 30, "the end of the job")
    assert starts(cluster) == 1


@only("lsf")
@pytest.mark.parametrize("limit", ["1:00:00"])
def test_a_job_of_lsf_outlives_its_node(cluster: Cluster, script: Path) -> None:
    cluster.controls(node_lost=True)
    wait_for(lambda: cluster.states()[record_of(script)["job_id"]] == "PEND", 20, "the loss")
    cluster.controls()

    assert end_of(script, 120)[0] == "SUCCESS", errors(script)

    assert runs(script) == ["lost_node", None]
    assert starts(cluster) == 2
