"""The hook queues the next runs of a job behind it; Slurm's commands are stand-ins."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dispatcher.cli import main
from dispatcher.jobs.record import RECORD, load_record

from ...fixture_types import CorpusJob, WriteSite
from ..hook_calls import call_hook
from ..jobs.pipeline_jobs import HEADS, WORDS, status
from ..stand_in_scheduler import StandIn

pytestmark = pytest.mark.usefixtures("images")

RUN = "Refine3D/job011/run_submit.script.run"
# Takes each job under the next number.
TAKES = (
    "number=$((16 + $(wc -l <sbatch.calls))); state=PENDING; [ $number = 17 ] && state=RUNNING; "
    "take $number $state; echo $number"
)


@pytest.fixture
def slurm(tmp_path: Path, site: WriteSite) -> StandIn:
    """A site on which two next runs are queued ahead, and a watcher."""
    sbatch = str(tmp_path / "slurm" / "sbatch")
    stand_in = StandIn(
        tmp_path / "slurm", site, watcher={"submit_command": [sbatch, "--after={job_id}"]},
        goes_on_unless={}, next_run={"queued_ahead": 2},
    )  # fmt: skip
    stand_in.submits(TAKES)
    return stand_in


@pytest.fixture
def script(corpus_job: CorpusJob, site: WriteSite, slurm: StandIn, tmp_path: Path) -> Path:
    """The submission script of a refinement that goes on."""
    file = Path(os.environ["RELION_DISPATCH_SITE"]) / "site.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "goes_on": True}))
    return corpus_job("relion-5.0.1/Refine3D_job011")


def line(script: Path) -> tuple[str, ...]:
    return load_record(script.parent / RECORD).jobs_in_line


def test_each_waits_for_the_one_before_and_the_watcher_for_the_last(
    slurm: StandIn, script: Path
) -> None:
    done = call_hook(script)

    assert done.returncode == 0 and "warning" not in done.stderr, done.stderr
    token = load_record(script.parent / RECORD).token
    mark = f"--comment=relion-dispatch:{token}"
    name = "--job-name=next run of Refine3D/job011"
    assert slurm.calls("sbatch") == [
        f"{mark} {RUN}",
        f"{mark} --dependency=afterany:17 {name} {RUN} 17",
        f"{mark} --dependency=afterany:18 {name} {RUN} 18",
        f"--after=19 {RUN.removesuffix('run')}watch 19",
    ]
    assert line(script) == ("17", "18", "19")
    assert load_record(script.parent / RECORD).merged["jobs_in_line"] == ["17", "18", "19"]
    text = (script.parent / "run_submit.script.run").read_text()
    assert "dispatch_queued_ahead=2\ndispatch_follows=${1:-}\n" in text


def test_a_job_of_which_one_is_not_taken_goes_on_fewer_times(slurm: StandIn, script: Path) -> None:
    slurm.submits(
        f"[ $(wc -l <sbatch.calls) != 3 ] || {{ echo too many jobs >&2; exit 1; }}; {TAKES}"
    )

    done = call_hook(script)

    assert done.returncode == 0
    assert "1 of 2 next runs in the queue, so the job goes on fewer times by itself" in done.stderr
    assert "too many jobs" in done.stderr
    assert line(script) == ("17", "18")
    assert slurm.calls("sbatch")[-1].startswith("--after=18 ")
    assert not list(script.parent.glob("RELION_JOB_EXIT_*"))


def test_a_job_of_which_none_is_taken_runs(slurm: StandIn, script: Path) -> None:
    slurm.submits("[ $(wc -l <sbatch.calls) = 1 ] || exit 1; take 17 RUNNING; echo 17")

    done = call_hook(script)

    assert done.returncode == 0
    assert "0 of 2 next runs in the queue" in done.stderr and "no watcher" in done.stderr
    assert line(script) == ()
    assert not (script.parent / "RELION_JOB_EXIT_FAILURE").exists()


def test_a_script_that_somebody_has_changed_meanwhile_is_not_queued(
    slurm: StandIn, script: Path
) -> None:
    changed = script.parent / "run_submit.script.run"
    slurm.submits(f"[ $(wc -l <sbatch.calls) != 2 ] || echo 'rm -r x' >>{changed}; {TAKES}")

    done = call_hook(script)

    assert done.returncode == 0
    assert "1 of 2 next runs in the queue" in done.stderr
    assert f"{RUN} is not the script that was submitted" in done.stderr
    assert line(script) == ("17", "18")


def test_a_template_of_the_sites_own_that_does_not_know_of_it(
    slurm: StandIn, script: Path, site: WriteSite, own_template: Path
) -> None:
    own_template.write_text(own_template.read_text().replace("dispatch_follows=", "follows="))

    assert call_hook(script).returncode == 0

    assert len(slurm.calls("sbatch")) == 2, "the job, and its watcher"
    record = load_record(script.parent / RECORD)
    assert record.goes_on_after is None
    assert "template" in str(record.merged["warnings"])


@pytest.fixture
def own_template(tmp_path: Path) -> Path:
    """A copy of the settings of jobs that go on, in the site's folder."""
    shipped = Path(__file__).parents[3] / "job_template" / "goes_on.sh.j2"
    own = Path(os.environ["RELION_DISPATCH_SITE"]) / "job_template" / "goes_on.sh.j2"
    own.parent.mkdir()
    own.write_text(shipped.read_text())
    return own


def test_status_shows_the_one_that_runs_and_between_two_runs_the_next(
    slurm: StandIn,
    script: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    call_hook(script)
    monkeypatch.chdir(script.parents[2])
    Path("default_pipeline.star").write_text(
        f"{HEADS}{WORDS}Refine3D/job011/ None relion.refine3d Running\n"
    )
    token = load_record(script.parent / RECORD).token
    capsys.readouterr()
    (row,) = status(capsys)
    assert (row["job_id"], row["state"], row["next_run"]) == ("17", "RUNNING", None)

    folder = script.parent
    (folder / f".dispatch_claim.{token}").symlink_to("gpu1, process 5, 2026, job 17")
    (folder / f"dispatch.run.{token}.1").write_text(
        f"token {token}\nrun 1\nstarted 2026-11-28T05:00:00+00:00\n"
        "ended 2026-11-28T06:00:00+00:00\nhost gpu1\nscheduler_job_id 17\nending GOES_ON\n"
        "why time_limit\n"
    )
    slurm.has("17", "TIMEOUT", token)
    (row,) = status(capsys)
    assert (row["relion"], row["job_id"], row["next_run"]) == ("Running", "18", 2)
    assert main(["explain", "Refine3D/job011"]) == 0
    assert "with run 2 as job 18 of slurm" in " ".join(capsys.readouterr().out.split())

    # Its user cancels the one whose turn it is with Slurm's own command.
    slurm.has("18", "CANCELLED", token)
    slurm.says_of_ends("[ $1 = 18 ] && echo JobId=18 JobState=CANCELLED")
    (row,) = status(capsys)
    assert row["relion"] == "Failed"
    said = (folder / "run.err").read_text()
    assert "was to go on with run 2, but the scheduler has lost it: it was cancelled" in said
    assert slurm.calls("scancel") == ["19"]
