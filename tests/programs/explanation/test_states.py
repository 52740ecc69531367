"""``relion-dispatch explain`` of jobs that are submitted or have ended just now, or were copied."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dispatcher.jobs.record import RECORD

from ...fixture_types import WriteSite
from ..hook_calls import call_hook, start_hook
from ..stand_in_scheduler import StandIn
from .explained import JOB, Explain
from .test_explain import age, end, submit


def listed_as(state: str, project: Path) -> None:
    """RELION's state of the job."""
    pipeline = project / "default_pipeline.star"
    pipeline.write_text(pipeline.read_text().replace("Running", state))


def without_queue(script: Path) -> None:
    """RELION runs the job without the queue."""
    star = script.parent / "job.star"
    star.write_text(re.sub(r"(do_queue\s+)Yes", r"\1No", star.read_text()))


def wait_for(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_job_that_the_hook_submits_at_this_moment_is_not_lost(
    slurm: StandIn, script: Path, explain: Explain
) -> None:
    slurm.submits("while [ ! -e go ]; do sleep 0.05; done; take 17 RUNNING; echo 17")
    with start_hook(script) as hook:
        wait_for(lambda: slurm.calls("sbatch"))
        found = explain(JOB)
        (slurm.folder / "go").touch()
        hook.communicate(timeout=60)

    assert found["State"] == (
        "Submitting. It is being submitted (scheduler slurm): look again in a minute."
    )
    assert explain(JOB)["State"].startswith("Runs. ")


@pytest.mark.parametrize("state", ["Running", "Succeeded", "Failed"])
def test_nothing_of_an_earlier_run_is_told_of_a_job_without_the_queue(
    state: str, slurm: StandIn, script: Path, explain: Explain, project: Path
) -> None:
    submit(script)
    end(script, "FAILURE", "a GPU ran out of memory")
    (script.parent / "RELION_JOB_EXIT_FAILURE").unlink()
    (script.parent / "run.err").write_text("relion-dispatch: a GPU ran out of memory.\n")
    without_queue(script)
    listed_as(state, project)

    found = explain(JOB)

    ran = "Runs. RELION runs" if state == "Running" else f"{state}. RELION ran"
    assert found["State"] == f"{ran} it without the queue."
    assert found["Basis"].endswith("a script or a record in its folder is an earlier run's.")
    assert found["Ranks"] == ""


@pytest.mark.parametrize(("ending", "word"), [("SUCCESS", "Succeeded"), ("FAILURE", "Failed")])
def test_a_job_whose_exit_file_is_on_its_way_has_ended(
    ending: str, word: str, slurm: StandIn, script: Path, explain: Explain
) -> None:
    submit(script)
    end(script, ending, "" if ending == "SUCCESS" else "a GPU ran out of memory")
    (script.parent / f"RELION_JOB_EXIT_{ending}").unlink()
    slurm.forgets()

    said = explain(JOB)["State"]

    assert said.startswith(
        f"{word}. It ended 2026-11-28 07:13 UTC on gpu3 as job 17 of slurm, after 2:02:33."
    )
    assert said.endswith("a GPU ran out of memory") == (word == "Failed")


@pytest.mark.parametrize("with_times", [True, False])
def test_a_job_in_a_copy_of_its_project_is_that_of_the_original(
    with_times: bool,
    slurm: StandIn,
    script: Path,
    explain: Explain,
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    submit(script)
    copy = tmp_path / "copy"
    shutil.copytree(project, copy)
    if not with_times:
        (copy / JOB / script.name).touch()
    monkeypatch.chdir(copy)

    said = explain(JOB)["State"]

    assert said.startswith(f"Unknown. This folder is a copy: the job is that of {project}, where ")
    assert "another user" not in said and "sees it in the queue" not in said


def test_a_job_that_failed_is_not_called_refused_if_its_record_is_damaged(
    slurm: StandIn, script: Path, explain: Explain, project: Path
) -> None:
    submit(script)
    end(script, "FAILURE", "a GPU ran out of memory")
    (script.parent / "run.err").write_text("relion-dispatch: a GPU ran out of memory.\n")
    (script.parent / RECORD).write_text("{")

    found = explain(JOB)

    assert found["State"] == "Failed. a GPU ran out of memory."
    assert "There is no record" not in found["Basis"]
    assert "This plan was made now, without it." in found["Basis"]
    (project / "default_pipeline.star").unlink()
    assert explain(script)["State"] == "Failed. a GPU ran out of memory."


@pytest.mark.parametrize("where", [".", "Refine3D", JOB])
def test_a_scheduled_job_is_explained_from_anywhere(
    where: str,
    slurm: StandIn,
    script: Path,
    explain: Explain,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script.unlink()
    listed_as("Scheduled", project)
    monkeypatch.chdir(project / where)

    found = explain({".": JOB, "Refine3D": "job011", JOB: "."}[where])

    assert (found.status, found.errors) == (0, "")
    assert found["State"] == "Scheduled. RELION has it as scheduled."
    assert found["Basis"] == (
        "There is no plan, because there is no submission script: RELION writes it when it submits "
        "the job to the queue."
    )


def test_a_wrong_note_beside_a_job_that_runs_does_not_make_it_wait(
    slurm: StandIn, script: Path, explain: Explain
) -> None:
    token = submit(script)
    (script.parent / f".dispatch_watcher.{token}").write_text("\0bad id\n")
    slurm.queue.write_text(f"17|CONFIGURING||None|0:07|relion-dispatch:{token}\n")

    assert explain(JOB)["State"].startswith("Runs. ")


def test_a_scheduler_that_tells_reasons_of_one_job_alone_is_asked(
    slurm: StandIn, script: Path, explain: Explain, tmp_path: Path, site: WriteSite
) -> None:
    slurm.submits("take 17 PENDING; echo 17")
    slurm.has("17", "PENDING", submit(script), "")
    asked = ["echo", "why: no berth for {job_id}"]
    own = {"wait_command": asked, "wait_pattern": "why: (?P<reason>.*)"}
    site("schedulers/slurm.json", {**own, "waits": {"no berth": "the pier is full"}})

    assert "Why: the pier is full (no berth for 17)." in explain(JOB)["State"]


def test_a_job_that_was_refused_keeps_that_word_beside_the_record_of_an_earlier_run(
    slurm: StandIn, script: Path, explain: Explain, site: WriteSite
) -> None:
    submit(script)
    age(script)
    script.touch()  # RELION has written it again
    site("site.json", "{")
    assert call_hook(script).returncode != 0

    assert explain(JOB)["State"].startswith("Refused. ")
