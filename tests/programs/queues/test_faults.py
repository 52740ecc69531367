"""What becomes of a job of PBS and of LSF when something goes wrong: RELION learns the end.

The cluster is a stand-in (cluster.py); job scripts, the watcher and the hook are real.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ...waiting import wait_for
from ..hook_calls import call_hook
from .cluster import ROOT, Cluster, record_of

SLEEPS = 'trap "exit 143" TERM; sleep 300 & wait'

# Whether the scheduler remembers jobs that have ended. (`tests/run.sh long` runs what is long.)
ONCE = [True, pytest.param(False, marks=pytest.mark.long)]

Described = Callable[..., None]


def dispatched(script: Path) -> dict[str, Any]:
    """Submit as RELION does; the record."""
    done = call_hook(script)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stdout + done.stderr
    return record_of(script)


def running(cluster: Cluster, script: Path, body: str = SLEEPS) -> dict[str, Any]:
    """Submit a job, and wait until its program runs."""
    cluster.does(body)
    record = dispatched(script)
    wait_for(cluster.recorded.exists, what="the start of the program")
    return record


def end_of(script: Path, seconds: float = 30) -> tuple[str, str]:
    """How RELION was told that the job ended, and the last line of run.err."""
    wait_for(lambda: list(script.parent.glob("RELION_JOB_EXIT_*")), seconds, "the end of the job")
    (end,) = script.parent.glob("RELION_JOB_EXIT_*")
    wait_for(
        lambda: "relion-dispatch: The job" in errors(script) or end.name.endswith("SUCCESS"), 20
    )
    return end.name.rpartition("_")[2], (errors(script).splitlines() or [""])[-1]


def errors(script: Path) -> str:
    path = script.parent / "run.err"
    return path.read_text() if path.exists() else ""


def cli(script: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Call relion-dispatch in the project."""
    return subprocess.run(
        [sys.executable, "-m", "dispatcher", *words],
        cwd=script.parents[2],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def nothing_waits(cluster: Cluster) -> None:
    """The jobs after the job are gone, or have ended."""
    wait_for(lambda: not cluster.living(), 30, "an empty queue")


def turns(cluster: Cluster, job_id: str) -> int:
    """How often the script that comes again was submitted, each time for this job."""
    calls = [each for each in cluster.calls("qsub") if " -a " in each]
    assert all(f" dispatch_watched={job_id} " in each for each in calls), calls
    return len(calls)


def test_a_job_runs_and_succeeds(cluster: Cluster, script: Path) -> None:
    cluster.does('echo "from RELION"; echo "and its errors" >&2')

    record = dispatched(script)

    assert end_of(script) == ("SUCCESS", "and its errors")
    assert "from RELION" in (script.parent / "run.out").read_text()
    assert record["job_id"].partition(".")[0] == "4711"
    nothing_waits(cluster)
    run = record_of(script)["run"]
    assert (run["ending"], run["scheduler_job_id"]) == ("SUCCESS", record["job_id"])


@pytest.mark.long
def test_what_the_scheduler_writes_at_the_end_is_not_in_run_out(
    cluster: Cluster, script: Path
) -> None:
    (script.parent / "run.out").write_text("an earlier run\n")
    cluster.does("echo 'this run'")

    dispatched(script)
    end_of(script)
    nothing_waits(cluster)

    beside = script.parent / "run_submit.script.out"
    wait_for(beside.exists, what="the scheduler's own file")
    out = (script.parent / "run.out").read_text()
    assert out.startswith("an earlier run\n") and "this run\n" in out and "Sender" not in out
    assert ("Sender: LSF" in beside.read_text()) == (cluster.dialect == "lsf")


@pytest.mark.long
def test_a_program_fails(cluster: Cluster, script: Path) -> None:
    cluster.does("echo 'ERROR: no such map' >&2; exit 3")

    dispatched(script)

    end, sentence = end_of(script)
    assert end == "FAILURE" and "no such map" in sentence


@pytest.mark.parametrize("history", [True, False])
def test_a_job_is_deleted_while_it_waits(cluster: Cluster, script: Path, history: bool) -> None:
    """Nobody asks: RELION learns it by the job after the job, which PBS never starts, or by the one
    that comes again."""
    cluster.controls(hold=True, history=history)
    record = dispatched(script)
    cluster.controls(history=history)  # what waits for the job's end is not held
    if cluster.dialect == "pbs":
        wait_for(lambda: turns(cluster, record["job_id"]) > 1, what="the next turn")

    assert cluster.kill(record["job_id"]).returncode == 0

    end, sentence = end_of(script, 40)
    assert end == "FAILURE"
    assert "cancelled in the queue" in sentence
    nothing_waits(cluster)


def test_a_running_job_is_deleted(cluster: Cluster, script: Path) -> None:
    record = running(cluster, script)

    assert cluster.kill(record["job_id"]).returncode == 0

    end, sentence = end_of(script)
    assert end == "FAILURE" and "cancelled in the scheduler or stopped from outside" in sentence
    nothing_waits(cluster)


def test_the_time_limit_is_reached(cluster: Cluster, script: Path, described: Described) -> None:
    """PBS does not warn, so that the script looks at the clock; LSF does.

    A minute of -W is six seconds in the stand-in.
    """
    described(time="00:00:16" if cluster.dialect == "pbs" else "00:03:00")
    running(cluster, script)

    end, sentence = end_of(script, 40)

    assert end == "FAILURE" and "it reached its time limit" in sentence
    wait_for(lambda: "run" in record_of(script), what="the record: there is time for all")


@pytest.mark.parametrize("history", ONCE)
def test_all_processes_of_a_job_are_killed(cluster: Cluster, script: Path, history: bool) -> None:
    cluster.controls(history=history)
    pid_file = cluster.folder / "pid"
    running(
        cluster,
        script,
        f"ps -o sid= -p $$ >'{pid_file}.new'; mv '{pid_file}.new' '{pid_file}'; sleep 300",
    )
    wait_for(pid_file.exists)

    subprocess.run(["pkill", "-KILL", "-s", pid_file.read_text().strip()], check=True)

    end, sentence = end_of(script, 40)
    assert end == "FAILURE" and "it was killed" in sentence


@pytest.mark.long
def test_the_node_is_lost(cluster: Cluster, script: Path) -> None:
    record = running(cluster, script)

    cluster.controls(node_lost=True)
    wait_for(lambda: record["job_id"] not in cluster.living())
    cluster.controls()  # another node, for the job after the job

    end, sentence = end_of(script, 40)
    assert end == "FAILURE" and "its node was lost" in sentence


def test_a_job_is_aborted_while_it_runs(
    cluster: Cluster, script: Path, described: Described
) -> None:
    running(
        cluster,
        script,
        "until [ -e */*/.dispatch_control.*/RELION_JOB_ABORT_NOW ]; do sleep 0.1; done; exit 1",
    )

    (script.parent / "RELION_JOB_ABORT_NOW").touch()

    end, sentence = end_of(script)
    assert end == "ABORTED" and "aborted in RELION" in sentence
    nothing_waits(cluster)


def test_a_job_that_waits_is_cancelled_with_our_command(
    cluster: Cluster, script: Path, described: Described
) -> None:
    described(watcher=None)  # it may be quicker
    cluster.controls(hold=True)
    record = dispatched(script)

    done = cli(script, "cancel", "PostProcess/job016")

    assert done.returncode == 0, done.stderr
    end, sentence = end_of(script)
    assert end == "ABORTED" and "before it started" in sentence
    assert record["job_id"] not in cluster.living()


def test_the_answer_to_a_submission_is_lost(cluster: Cluster, script: Path) -> None:
    cluster.controls(lose_answers=1)

    record = dispatched(script)

    assert record["job_id"].partition(".")[0] == "4711"
    assert end_of(script)[0] == "SUCCESS"
    assert len([each for each in cluster.calls(cluster.submit) if "relion-dispatch:" in each]) == 1


@pytest.mark.long
def test_a_submission_is_refused(cluster: Cluster, script: Path) -> None:
    cluster.controls(refuse="User ada may not use this queue")

    done = call_hook(script)

    assert done.returncode == 1
    assert "User ada may not use this queue" in errors(script)
    assert (script.parent / "RELION_JOB_EXIT_FAILURE").exists()


def test_the_scheduler_does_not_answer_a_submission(cluster: Cluster, script: Path) -> None:
    cluster.controls(down=True)

    done = call_hook(script)

    assert done.returncode == 1
    assert "the queue does not answer whether it has the job" in errors(script)


@pytest.mark.parametrize("history", ONCE)
def test_status_tells_of_a_job_that_vanished(
    cluster: Cluster, script: Path, described: Described, history: bool
) -> None:
    described(watcher=None)
    cluster.controls(hold=True, history=history)
    record = dispatched(script)
    (waiting,) = json.loads(cli(script, "status", "--json").stdout)
    assert waiting["relion"] == "Running" and waiting["job_id"] == record["job_id"]
    assert waiting["reason"]

    cluster.kill(record["job_id"])
    (ended,) = json.loads(cli(script, "status", "--json").stdout)

    assert ended["relion"] == "Failed"
    assert "cancelled in the queue" in ended["reason"]


@pytest.mark.long
def test_status_tells_nothing_where_the_scheduler_does_not_answer(
    cluster: Cluster, script: Path
) -> None:
    running(cluster, script)
    cluster.controls(down=True)

    (row,) = json.loads(cli(script, "status", "--json").stdout)

    assert row["relion"] == "Running"
    assert not list(script.parent.glob("RELION_JOB_EXIT_*"))


@pytest.mark.parametrize("cluster", ["pbs"], indirect=True)  # elsewhere no watcher comes again
def test_what_comes_again_does_not_take_silence_for_an_end(
    cluster: Cluster, script: Path, described: Described
) -> None:
    """Of a job that runs, and while the scheduler does not answer, nothing is told."""
    described(watcher={"again_after": 600})
    record = running(cluster, script)
    watch = ["bash", str(script.with_name("run_submit.script.watch"))]
    environment = {**os.environ, "dispatch_watched": "4711.pbs01"}

    cluster.controls(down=True)
    subprocess.run(watch, timeout=60, check=False, env=environment)
    cluster.controls()
    before = turns(cluster, record["job_id"])
    subprocess.run(watch, timeout=60, check=True, env=environment)

    assert not list(script.parent.glob("RELION_JOB_EXIT_*"))
    assert turns(cluster, record["job_id"]) == before + 1


@pytest.mark.long
def test_a_script_that_is_killed_alone(cluster: Cluster, script: Path) -> None:
    """Its guard tells, or the job after the job if the scheduler was quicker than the guard."""
    record = running(cluster, script)
    claim = (script.parent / f".dispatch_claim.{record['token']}").readlink()
    pid = int(str(claim).split("process ")[1].split(",")[0])

    os.kill(pid, signal.SIGKILL)

    end, sentence = end_of(script)
    assert end == "FAILURE" and "was killed (signal" in sentence
