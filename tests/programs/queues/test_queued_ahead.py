"""Jobs of PBS, and of LSF if a site wants it: next runs wait in the queue from the submission on.

Both are the stand-in of cluster.py; job scripts, the watcher and the hook are real.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dispatcher.jobs.record import RECORD, Record, load_record

from ...fixture_types import CorpusJob, WriteSite
from ...waiting import wait_for
from ..hook_calls import call_hook
from .cluster import Cluster, running_in_pipeline
from .test_faults import cli, end_of, errors, nothing_waits

Submit = Callable[..., Path]
JOB = "MotionCorr/job002"
SLEEPS = 'trap "exit 143" TERM; sleep 300 & wait'
LIMIT = "0:00:20"  # the script ends RELION after half of it, as PBS does not warn

LSF_LIMIT = "0:04:00"  # a minute is six seconds, and LSF warns two of these before

pbs = pytest.mark.parametrize("cluster", ["pbs"], indirect=True)


@pytest.fixture
def submit(
    cluster: Cluster, site: WriteSite, corpus_job: CorpusJob, images: Path, tmp_path: Path
) -> Submit:
    """Submit a job whose first runs, `cuts` of them, work until they are told to end."""

    def submitted(cuts: int, limit: str = LIMIT, **goes_on: object) -> Path:
        site(
            "site.json",
            {
                "scheduler": cluster.dialect,
                "schedulers": {"pbs": {"timeout": 5, "watcher": {"again_after": 1}}},
                "goes_on": {"gives_up_after": 9, **goes_on},
                "job_parameters": {"submit": {"time": limit}},
            },
        )
        begun = tmp_path / "begun"
        cluster.does(f'echo >>"{begun}"; [ "$(wc -l <"{begun}")" -gt {cuts} ] || {{ {SLEEPS}; }}')
        script = corpus_job("relion-5.0.1/MotionCorr_job002")
        running_in_pipeline(script)
        done = call_hook(script)
        assert done.returncode == 0 and "warning" not in done.stderr, done.stderr
        return script

    return submitted


def record(script: Path) -> Record:
    return load_record(script.parent / RECORD)


def whys(script: Path) -> list[str | None]:
    """Why each run of the job was cut; None for one that was not."""
    return [run.why for run in record(script).runs]


def starts(cluster: Cluster) -> int:
    """How many times a program was started."""
    return len(cluster.recorded.read_text().splitlines()) if cluster.recorded.exists() else 0


def told(script: Path) -> bool:
    return bool(list(script.parent.glob("RELION_JOB_EXIT_*")))


def status(script: Path) -> dict[str, object]:
    (row,) = json.loads(cli(script, "status", "--json").stdout)
    return dict(row)


def without_commands(cluster: Cluster) -> None:
    """From now on jobs find none of the scheduler's commands."""
    alone = cluster.folder / "alone"
    alone.mkdir()
    (alone / "apptainer").symlink_to(cluster.folder / "apptainer")
    (cluster.home / ".bash_profile").write_text(f'export PATH="{alone}:$PATH"\n')


@pbs
@pytest.mark.parametrize("nodes_may_call", [True, False])
def test_a_job_outlives_its_time_limit_twice(
    cluster: Cluster, submit: Submit, nodes_may_call: bool
) -> None:
    if not nodes_may_call:
        without_commands(cluster)
    script = submit(cuts=2, **{} if nodes_may_call else {"queued_ahead": 2})
    line = record(script).jobs_in_line
    assert len(line) == (4 if nodes_may_call else 3)
    assert [cluster.states()[each] for each in line[1:]] == ["H"] * (len(line) - 1)
    wait_for(lambda: whys(script)[:1] == ["time_limit"], 40, "the first cut")
    assert not told(script)

    assert end_of(script, 90)[0] == "SUCCESS", errors(script)

    assert whys(script) == ["time_limit", "time_limit", None]
    assert [run.job_id for run in record(script).runs] == list(line[:3])
    assert starts(cluster) == 3
    wait_for(lambda: not cluster.living(), 60, "an empty queue")
    assert errors(script) == "", "those that found nothing to do were quiet"
    said = (script.parent / "run.out").read_text()
    assert "3 next runs wait in the queue behind it" in said or not nodes_may_call
    assert "Run 2 of the job reached its time limit" in said
    assert "copy" not in said


@pbs
def test_a_job_whose_next_runs_are_used_up_fails(cluster: Cluster, submit: Submit) -> None:
    script = submit(cuts=9, queued_ahead=1)

    end, sentence = end_of(script, 90)

    assert end == "FAILURE" and "no further run of it waits in the queue" in sentence
    assert whys(script) == ["time_limit", None]
    nothing_waits(cluster)


@pbs
def test_a_job_whose_node_is_lost_goes_on_in_the_next_of_the_line(
    cluster: Cluster, submit: Submit
) -> None:
    script = submit(cuts=1, limit="1:00:00")
    wait_for(lambda: starts(cluster) == 1, 40, "the start of the program")
    first = record(script).jobs_in_line[0]

    cluster.controls(node_lost=True)
    wait_for(lambda: first not in cluster.living(), 20, "the loss")
    cluster.controls()

    assert end_of(script, 120)[0] == "SUCCESS", errors(script)
    assert whys(script) == ["lost_node", None]
    nothing_waits(cluster)


@pbs
def test_a_lost_node_that_the_job_does_not_survive_is_told_by_the_next_of_the_line(
    cluster: Cluster, submit: Submit
) -> None:
    script = submit(cuts=1, limit="1:00:00", after=["time_limit"])
    wait_for(lambda: starts(cluster) == 1, 40, "the start of the program")
    cluster.controls(node_lost=True)
    wait_for(lambda: record(script).jobs_in_line[0] not in cluster.living(), 20, "the loss")
    cluster.controls()

    end, sentence = end_of(script, 60)

    assert end == "FAILURE" and "its run 1 ended without a word" in sentence
    assert starts(cluster) == 1
    nothing_waits(cluster)


@pbs
@pytest.mark.parametrize("which", [0, 1])
def test_what_is_deleted_in_the_queue_never_computes(
    cluster: Cluster, submit: Submit, which: int
) -> None:
    """The job before it began, or the one behind it while it runs. PBS then holds what is behind
    for ever; the watcher that comes again tells RELION, and takes these away."""
    cluster.controls(hold=which == 0)
    script = submit(cuts=1)
    cluster.controls()
    if which:
        wait_for(lambda: starts(cluster) == 1, 40, "the start of the program")

    assert cluster.kill(record(script).jobs_in_line[which]).returncode == 0

    end, sentence = end_of(script, 60)
    assert end == "FAILURE"
    assert ("no further run of it waits" if which else "cancelled in the queue") in sentence
    assert starts(cluster) == which
    nothing_waits(cluster)


@pbs
def test_status_tells_of_a_line_that_is_held_for_ever(cluster: Cluster, submit: Submit) -> None:
    cluster.controls(hold=True)
    script = submit(cuts=1)
    (script.parent / "run_submit.script.watch").write_text("#!/bin/bash\n")
    assert status(script)["job_id"] == record(script).jobs_in_line[0]
    cluster.kill(record(script).jobs_in_line[0])

    assert status(script)["relion"] == "Failed"

    assert "cancelled in the queue" in errors(script)
    wait_for(lambda: not cluster.living(), 30, "an empty queue")
    assert starts(cluster) == 0


@pbs
def test_a_running_job_that_is_deleted_has_ended(cluster: Cluster, submit: Submit) -> None:
    script = submit(cuts=9)
    wait_for(lambda: starts(cluster) == 1, 40, "the start of the program")

    cluster.kill(record(script).jobs_in_line[0])

    assert end_of(script)[0] == "FAILURE"
    nothing_waits(cluster)
    assert starts(cluster) == 1


@pbs
@pytest.mark.parametrize("between", [False, True])
def test_our_command_cancels_all(cluster: Cluster, submit: Submit, between: bool) -> None:
    script = submit(cuts=9)
    wait_for(lambda: starts(cluster) == 1, 40, "the start of the program")
    if between:
        cluster.controls(busy=True)
        wait_for(lambda: whys(script)[:1] == ["time_limit"], 40, "the cut")
        second = record(script).jobs_in_line[1]
        wait_for(lambda: cluster.states()[second] == "Q", 20, "the turn of the next one")
        row = status(script)
        assert (row["relion"], row["next_run"], row["job_id"]) == ("Running", 2, second)

    done = cli(script, "cancel", JOB)

    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{JOB}: aborted\n"
    assert end_of(script)[0] == "ABORTED"
    wait_for(lambda: {*record(script).jobs_in_line}.isdisjoint(cluster.living()), 30)
    cluster.controls()
    nothing_waits(cluster)
    assert starts(cluster) == 1


@pbs
def test_an_abort_in_relion_ends_all(cluster: Cluster, submit: Submit) -> None:
    script = submit(cuts=9)
    wait_for(lambda: starts(cluster) == 1, 40, "the start of the program")
    wait_for(lambda: whys(script)[:1] == ["time_limit"], 40, "the cut")
    (script.parent / "RELION_JOB_ABORT_NOW").touch()

    assert end_of(script, 60)[0] == "ABORTED"
    nothing_waits(cluster)


@pytest.mark.parametrize("cluster", ["lsf"], indirect=True)
def test_a_job_of_lsf_has_next_runs_behind_it(cluster: Cluster, submit: Submit) -> None:
    """Its script has no arguments, and ends with no status by which LSF would start it again."""
    script = submit(cuts=1, limit=LSF_LIMIT, queued_ahead=2)
    line = record(script).jobs_in_line
    assert len(line) == 3

    assert end_of(script, 90)[0] == "SUCCESS", errors(script)

    assert whys(script) == ["time_limit", None]
    assert [run.job_id for run in record(script).runs] == list(line[:2])
    nothing_waits(cluster)
    assert starts(cluster) == 2
