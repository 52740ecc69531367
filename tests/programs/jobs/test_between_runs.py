"""Jobs that go on, between two of their runs, and lost to their scheduler; a stand-in has none."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.cli import main
from dispatcher.jobs.seal import text_digest

from ..stand_in_scheduler import StandIn
from .cut_job import GOES_ON, JOB, RUN, SCRIPT, TOKEN, cut, relion_was_told
from .pipeline_jobs import AddJob, status

pytestmark = pytest.mark.usefixtures("quickly")


def queued_job(slurm: StandIn, add_job: AddJob, **goes_on: int) -> Path:
    folder = add_job(
        JOB, token=TOKEN, goes_on={**GOES_ON, **goes_on}, job_script_sha256=text_digest(SCRIPT),
        submit_command=[str(slurm.folder / "sbatch"), f"--comment=relion-dispatch:{TOKEN}", RUN],
    )  # fmt: skip
    (folder / "run_submit.script.run").write_text(SCRIPT)
    cut(folder)
    return folder


def test_a_job_that_its_scheduler_has_lost_is_submitted_again(
    slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = queued_job(slurm, add_job)
    slurm.submits("take 18 PENDING; echo 18")

    assert main(["resume", JOB]) == 0

    assert slurm.calls("sbatch") == [f"--comment=relion-dispatch:{TOKEN} {RUN}"]
    assert capsys.readouterr().out == f"{JOB}: run 2 starts, as job 18 of slurm\n"
    (row,) = status(capsys)
    assert (row["job_id"], row["state"], row["next_run"]) == ("18", "PENDING", 2)
    assert main(["resume", JOB]) == 1
    assert "waits in the queue (job 18)" in capsys.readouterr().err
    assert not relion_was_told(folder)


def test_a_job_that_is_submitted_again_has_next_runs_behind_it_again(
    slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = queued_job(slurm, add_job, queued_ahead=2)
    (folder / f".dispatch_line.{TOKEN}").write_text("15\n16\n17\n")
    slurm.submits(
        "n=$((17 + $(wc -l <sbatch.calls))); [ $n != 20 ] || exit 1; take $n PENDING; echo $n"
    )

    assert main(["resume", JOB]) == 0

    options = "--dependency=afterany:18 --job-name=next run of"
    mark = f"--comment=relion-dispatch:{TOKEN}"
    assert slurm.calls("sbatch")[:2] == [f"{mark} {RUN}", f"{mark} {options} {JOB} {RUN} 18"]
    assert (folder / f".dispatch_line.{TOKEN}").read_text() == "18\n19\n"
    said = capsys.readouterr().out
    assert "run 2 starts, as job 18 of slurm (1 of 2 next runs in the queue, so" in said


def test_a_run_that_could_not_be_submitted_can_be_tried_again(
    slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = queued_job(slurm, add_job)
    slurm.submits("echo no such account >&2; exit 1")
    assert main(["resume", JOB]) == 1
    assert "no such account" in capsys.readouterr().err
    slurm.submits("take 18 PENDING; echo 18")

    assert main(["resume", JOB]) == 0

    assert "run 2 starts" in capsys.readouterr().out and not relion_was_told(folder)


@pytest.mark.parametrize("says", ["exit 1", "echo JobId=17 JobState=COMPLETING"])
def test_a_scheduler_that_may_have_the_job_is_asked_again(
    says: str, slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    queued_job(slurm, add_job)
    slurm.says_of_ends(says)
    if says == "exit 1":
        slurm.queue_answers("exit 1")

    assert main(["resume", JOB]) == 1

    assert "was not started again, because its scheduler does not " in capsys.readouterr().err
    assert not slurm.calls("sbatch")


def test_of_a_job_that_was_to_go_on_and_is_lost_relion_is_told_so(
    slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = queued_job(slurm, add_job)
    (folder / f".dispatch_lease.{TOKEN}.1").unlink()
    (folder / f"dispatch.run.{TOKEN}.1").write_text(
        f"token {TOKEN}\nrun 1\nending GOES_ON\nwhy preemption\n"
    )
    slurm.says_of_ends("echo JobId=17 JobState=CANCELLED")

    (row,) = status(capsys)

    assert row["relion"] == "Failed"
    said = (folder / "run.err").read_text()
    assert (
        "The job was to go on with run 2, but the scheduler has lost it: it was cancelled" in said
    )
    assert (folder / f".dispatch_claim.{TOKEN}.2").is_symlink(), "no late copy begins"


def test_a_job_between_two_runs_waits_to_go_on(
    slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = queued_job(slurm, add_job)
    (folder / f".dispatch_lease.{TOKEN}.1").unlink()
    (folder / f"dispatch.run.{TOKEN}.1").write_text(
        f"token {TOKEN}\nrun 1\nstarted 2026-11-28T05:00:00+00:00\n"
        "ended 2026-11-28T06:00:00+00:00\nhost gpu1\nending GOES_ON\nwhy preemption\n"
        "to_iteration 7\nranks 9\n"
    )
    slurm.has("17", "PENDING", TOKEN, "BeginTime", since="2026-11-28T06:00:05")

    (row,) = status(capsys)
    assert (row["next_run"], row["waiting_since"]) == (2, "2026-11-28T06:00:00+00:00")
    assert (row["iteration"], row["expected_end"]) == (7, None)
    assert main(["status", JOB]) == 0
    card = capsys.readouterr().out
    assert "on gpu1, 9 ranks, to iteration 7: it was preempted\n" in card
    assert "waits to go on with run 2 since" in " ".join(card.split())
    assert main(["explain", JOB]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "State Waits. It waits to go on with run 2 as job 17 of slurm, since 2026-11-28" in shown
    assert (
        "Runs Run 1: 2026-11-28 05:00 UTC to 2026-11-28 06:00 UTC on gpu1, 9 ranks, to iteration "
        "7: it was preempted."
    ) in shown
    assert main(["cancel", JOB]) == 0
    assert (
        "cancelled with `relion-dispatch cancel` while it waited to go on."
        in (folder / "run.err").read_text()
    )
