"""A job runs once, however often its script is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from ...fixture_types import WriteSite
from .run_files import TOKEN
from .running_job import RunningJob, exit_files

pytestmark = pytest.mark.usefixtures("images")


def test_of_two_copies_started_together_one_runs(
    job: Path, running_job: RunningJob, tmp_path: Path
) -> None:
    rendered = running_job.render(job)
    copies = [running_job.start(rendered, ON_RUN="sleep 0.5") for _ in range(8)]

    for copy in copies:
        assert copy.wait(30) == 0

    assert (tmp_path / "recorded").read_text().count("relion_postprocess") == 1
    assert exit_files(job) == {"SUCCESS"}
    assert (job.parent / "run.out").read_text().count("this copy of the job stops") == 7
    assert (job.parent / "run.err").read_text() == ""


def test_a_copy_that_starts_after_the_end_touches_nothing(
    job: Path, running_job: RunningJob, tmp_path: Path
) -> None:
    rendered = running_job.render(job)
    running_job.start(rendered, ON_RUN="exit 3").wait(20)
    (job.parent / "RELION_JOB_EXIT_FAILURE").unlink()
    before = {path.name for path in job.parent.iterdir()}

    assert running_job.start(rendered).wait(20) == 0

    assert {path.name for path in job.parent.iterdir()} == before
    assert (tmp_path / "recorded").read_text().count("relion_postprocess") == 1


def test_a_continued_job_runs_and_the_claim_before_it_goes(
    job: Path, running_job: RunningJob, tmp_path: Path
) -> None:
    running_job.run(job)
    running_job.run(job)

    assert (tmp_path / "recorded").read_text().count("relion_postprocess") == 2
    assert len(list(job.parent.glob(".dispatch_claim.*"))) == 1


def test_a_submission_that_a_newer_one_overtook_does_not_start(
    job: Path, running_job: RunningJob, tmp_path: Path
) -> None:
    older, newer = running_job.render(job), running_job.render(job)

    assert running_job.start(older).wait(20) == 0
    assert not (tmp_path / "recorded").exists()
    assert exit_files(job) == set()
    assert running_job.start(newer).wait(20) == 0
    assert exit_files(job) == {"SUCCESS"}


@pytest.mark.parametrize("told", [True, False])
def test_a_job_that_its_scheduler_starts_once_more_does_not_begin_anew(
    told: bool, job: Path, running_job: RunningJob, site: WriteSite, tmp_path: Path
) -> None:
    site("site.json", {"scheduler": "slurm"})
    claim = job.parent / f".dispatch_claim.{TOKEN}"
    claim.symlink_to("gpu1, process 5, 2024-05-01T10:00:00, job 17")
    if told:
        (job.parent / "RELION_JOB_EXIT_SUCCESS").touch()

    done = running_job.run(job, TOKEN, SLURM_JOB_ID="17")

    assert not (tmp_path / "recorded").exists()
    assert exit_files(job) == {"SUCCESS" if told else "FAILURE"}
    assert done.returncode == (0 if told else 1)
    assert ("started the job again" in done.stderr) != told
