"""What PBS answers, as OpenPBS 23.06.06 printed it (tests/data/pbs)."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.config.scheduler import Scheduler
from dispatcher.config.site import load_site
from dispatcher.host.programs import Finished
from dispatcher.scheduler.answers import Queue, QueuedJob, read_answer, read_end
from dispatcher.scheduler.dialect import dialect

DATA = Path(__file__).parents[2] / "data" / "pbs"


@pytest.fixture
def pbs() -> Scheduler:
    """The scheduler `pbs` as shipped."""
    return load_site().schedulers["pbs"]


def test_the_queue_has_the_users_jobs(pbs: Scheduler) -> None:
    jobs = tuple(dialect(pbs).read_jobs(pbs, (DATA / "queue.txt").read_text()))

    assert [(job.job_id, job.state, job.token) for job in jobs] == [
        ("35.pbs01", "F", "000000000001"),
        ("36.pbs01", "F", "1e2345678902"),  # in JSON its number would be none
        ("37.pbs01", "F", "0123456789a3"),
        ("38.pbs01", "F", "0123456789a4"),
        ("42.pbs01", "R", "0123456789a5"),
        ("43.pbs01", "Q", "0123456789a6"),
        ("44.pbs01", "H", ""),  # of somebody who did not dispatch it
    ]
    assert jobs[4] == QueuedJob(
        "42.pbs01",
        "R",
        "0123456789a5",
        node="pbs01",
        reason="Job run at Sat Nov 28 at 22:25 on (pbs01:ncpus=4:ngpus=1:mem=102400kb)",
        time="00:00:00",
        since="2026-11-28T22:25:59",
    )
    assert (
        jobs[5].reason
        == "Can Never Run: Insufficient amount of resource: ncpus (R: 99 A: 16 T: 16)"
    )
    queue = Queue(pbs, jobs)
    assert [queue.has_ended(job) for job in jobs] == [True] * 4 + [False] * 3
    assert [queue.is_pending(job) for job in jobs] == [False] * 5 + [True] * 2


def test_the_nodes_of_a_job_are_named_once_each(pbs: Scheduler) -> None:
    line = "Job Id: 7.s job_state=R exec_host=n1/0*8+n1/1*8+n2/0*8 Variable_List=A=b"

    (job,) = dialect(pbs).read_jobs(pbs, line)

    assert (job.node, job.token) == ("n1, n2", "")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("held", "it was cancelled in the queue"),
        ("gone", "it was cancelled in the queue"),
        ("killed", "it was killed (signal KILL)"),
        ("limit", "it reached its time limit"),
        ("ended", "its script failed"),
        ("unknown", "PBS keeps no history"),
    ],
)
def test_the_end_of_a_job_is_told(name: str, says: str, pbs: Scheduler) -> None:
    assert says in str(read_end(pbs, (DATA / f"{name}.txt").read_text()))


def test_what_pbs_shows_of_the_end_is_quoted(pbs: Scheduler) -> None:
    said = str(read_end(pbs, (DATA / "killed.txt").read_text()))

    assert said.endswith("(exec_host=pbs01/0*4, Exit_status=265)") or "Exit_status=265" in said


def test_a_job_that_runs_has_not_ended(pbs: Scheduler) -> None:
    assert read_end(pbs, (DATA / "run.txt").read_text()) is None


@pytest.mark.parametrize(
    ("status", "stdout", "stderr", "outcome", "job_id"),
    [
        (0, "4711.pbs01\n", "", "taken", "4711.pbs01"),
        (0, "4711.pbs01.uni.example\n", "", "taken", "4711.pbs01.uni.example"),
        (0, "Your project has 12 hours left\n4711.pbs01\n", "", "taken", "4711.pbs01"),
        (170, "", "qsub: Unknown queue\n", "refused", None),
        (154, "", "qsub: Error (15002) submitting job\n", "refused", None),
        (255, "", "qsub: cannot connect to server pbs01 (errno=15010)\n", "unclear", None),
        (1, "", "qsub: Maximum number of jobs already in queue\n", "unclear", None),
        (1, "", "qsub: would exceed queue gpu's per-user limit\n", "unclear", None),
    ],
)  # fmt: skip
def test_the_answer_to_a_submission(
    status: int, stdout: str, stderr: str, outcome: str, job_id: str | None, pbs: Scheduler
) -> None:
    answer = read_answer(pbs, "qsub", Finished(status, stdout, stderr))

    assert (answer.outcome, answer.job_id) == (outcome, job_id)
