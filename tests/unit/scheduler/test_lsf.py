"""What LSF answers, by the formats of IBM's pages for 10.1: no real one was asked."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dispatcher.config.scheduler import Scheduler
from dispatcher.config.site import load_site
from dispatcher.host.programs import Finished
from dispatcher.scheduler.answers import QueuedJob, read_answer, read_end
from dispatcher.scheduler.calls import ask_end
from dispatcher.scheduler.dialect import dialect


@pytest.fixture
def lsf() -> Scheduler:
    """The scheduler `lsf` as shipped."""
    return load_site().schedulers["lsf"]


RUNNING = {
    "JOBID": "4711", "STAT": "RUN", "EXEC_HOST": "8*n1:8*n2", "PEND_REASON": "-",
    "RUN_TIME": "3725 second(s)", "JOB_DESCRIPTION": "relion-dispatch:0123456789ab",
}  # fmt: skip
WAITING = {
    "JOBID": "4712", "STAT": "PEND", "EXEC_HOST": "-", "PEND_REASON": "Not enough GPUs: 3 hosts;",
    "RUN_TIME": "0 second(s)", "JOB_DESCRIPTION": "",
}  # fmt: skip
JOBS = [
    QueuedJob("4711", "RUN", "0123456789ab", "n1, n2", "-", "1:02:05"),
    QueuedJob("4712", "PEND", "", "", "Not enough GPUs: 3 hosts;", "0:00:00"),
]


def test_the_queue_has_the_users_jobs(lsf: Scheduler) -> None:
    printed = json.dumps({"COMMAND": "bjobs", "JOBS": 2, "RECORDS": [RUNNING, WAITING]}, indent=2)

    assert list(dialect(lsf).read_jobs(lsf, printed)) == JOBS
    assert list(dialect(lsf).read_jobs(lsf, f"a site's greeting\n{printed}")) == JOBS


def test_a_value_that_json_does_not_allow_hides_no_job(lsf: Scheduler) -> None:
    printed = json.dumps({"RECORDS": [RUNNING, WAITING]}, indent=2).replace(
        "Not enough GPUs: 3 hosts;", 'Queue "gpu" is closed; C:\\x'
    )

    jobs = list(dialect(lsf).read_jobs(lsf, printed))

    assert [(job.job_id, job.state, job.token) for job in jobs] == [
        ("4711", "RUN", "0123456789ab"),
        ("4712", "PEND", ""),
    ]


def test_what_is_no_answer_has_no_jobs(lsf: Scheduler) -> None:
    assert list(dialect(lsf).read_jobs(lsf, "")) == []


@pytest.mark.parametrize(
    ("printed", "says"),
    [
        ("STAT=RUN EXIT_CODE=- EXEC_HOST=8*n1 -", None),
        ("STAT=UNKWN EXIT_CODE=- EXEC_HOST=8*n1 -", None),
        ("STAT=EXIT EXIT_CODE=140 EXEC_HOST=8*n1 TERM_RUNLIMIT: job killed", "time limit"),
        ("STAT=EXIT EXIT_CODE=137 EXEC_HOST=8*n1 TERM_MEMLIMIT: job killed", "more memory"),
        ("STAT=EXIT EXIT_CODE=- EXEC_HOST=- TERM_OWNER: job killed", "cancelled in the queue"),
        ("STAT=EXIT EXIT_CODE=137 EXEC_HOST=8*n1 -", "signal KILL"),
        ("STAT=EXIT EXIT_CODE=3 EXEC_HOST=8*n1 -", "its script failed"),
        ("STAT=DONE EXIT_CODE=- EXEC_HOST=8*n1 -", "could not write to the job's folder"),
        ("Job <4711> is not found\nSat: Completed <exit>; TERM_RUNLIMIT: job killed", "time limit"),
        ("Job <4711> is not found\nNo matching job found", "LSF has forgotten it"),
        ("", "LSF has forgotten it"),
    ],
)  # fmt: skip
def test_the_end_of_a_job_is_told(printed: str, says: str | None, lsf: Scheduler) -> None:
    said = read_end(lsf, printed)

    assert said is None if says is None else says in str(said)


def test_the_jobs_own_script_says_nothing_of_its_end(
    lsf: Scheduler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """bhist shows a script that came on standard input as the job's command."""
    history = """
Job <4711>, Job Name <Refine3D.job019>, User <ada>, Project <em>, Command <#!/bin/
                     bash;grep "exit code 137\\|TERM_RUNLIMIT" run.err>
Thu Mar 13 17:30:05: Submitted from host <login1>, to Queue <gpu>, CWD <$HOME>;
Thu Mar 13 17:32:06: Exited with exit code 3. The CPU time used is 0.1 seconds;
"""
    (tmp_path / "history").write_text(history)
    for name, does in (
        ("bjobs", "echo 'Job <4711> is not found' >&2; exit 255"),
        ("bhist", f"cat '{tmp_path}/history'"),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    assert "its script failed" in str(ask_end(lsf, "4711", tmp_path))


def test_what_lsf_shows_of_the_end_is_quoted(lsf: Scheduler) -> None:
    said = read_end(lsf, "STAT=EXIT EXIT_CODE=3 EXEC_HOST=8*n1:8*n2 -")

    assert str(said).endswith("(STAT=EXIT, EXIT_CODE=3, EXEC_HOST=8*n1:8*n2)")


@pytest.mark.parametrize(
    ("status", "stdout", "stderr", "outcome", "job_id"),
    [
        (0, "Job <4711> is submitted to queue <gpu>.\n", "", "taken", "4711"),
        (0, "Job <4711> is submitted to default queue <normal>.\n", "", "taken", "4711"),
        (0, "esub: 12 hours\nJob <4711> is submitted to queue <gpu>.\n", "", "taken", "4711"),
        (255, "", "Request aborted by esub. Job not submitted.\n", "refused", None),
        (255, "", "gpux: No such queue. Job not submitted.\n", "refused", None),
        (255, "", "batch daemon not responding ... still trying\n", "unclear", None),
        (255, "", "User has reached the pending job threshold.\n", "unclear", None),
    ],
)  # fmt: skip
def test_the_answer_to_a_submission(
    status: int, stdout: str, stderr: str, outcome: str, job_id: str | None, lsf: Scheduler
) -> None:
    answer = read_answer(lsf, "bsub", Finished(status, stdout, stderr))

    assert (answer.outcome, answer.job_id) == (outcome, job_id)
