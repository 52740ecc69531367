"""A job is submitted once, whatever the submit command says, and whenever the hook is killed.

Slurm's commands are stand-ins here; tests/system/faults asks a real Slurm.
"""

from __future__ import annotations

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dispatcher.refusal import IN_SIGHT

from ...fixture_types import CorpusJob, WriteSite
from ...waiting import wait_for
from ..appliance_form import DEPLOY
from ..hook_calls import call_hook, start_hook
from ..stand_in_scheduler import StandIn, record_of

TIMED_OUT = "echo 'sbatch: error: Socket timed out on send/recv operation' >&2; exit 1"


pytestmark = pytest.mark.usefixtures("images")


@pytest.fixture
def slurm(tmp_path: Path, site: WriteSite) -> StandIn:
    """A scheduler that takes each job as number 17."""
    return StandIn(tmp_path / "slurm", site)


@pytest.fixture
def script(corpus_job: CorpusJob) -> Path:
    """The submission script of a refinement."""
    return corpus_job("relion-5.0.1/Refine3D_job011")


def assert_submitted(script: Path, job_id: str | None) -> None:
    folder = script.parent
    assert not list(folder.glob("RELION_JOB_EXIT_*")), (folder / "run.err").read_text()
    assert record_of(folder)["job_id"] == job_id
    assert "refused" not in record_of(folder)


def assert_refused(script: Path, *says: str) -> None:
    folder = script.parent
    assert (folder / "RELION_JOB_EXIT_FAILURE").exists()
    sentence = (folder / "run.err").read_text()
    for text in says:
        assert text in sentence
    assert f"{IN_SIGHT}relion-dispatch: {record_of(folder)['refused']}\n" == sentence
    token = record_of(folder)["token"]
    assert (folder / f".dispatch_claim.{token}").is_symlink()


def test_the_token_is_in_the_record_before_the_job_is_submitted(
    slurm: StandIn, script: Path
) -> None:
    slurm.submits(f"cp '{script.parent}/dispatch.json' seen; take 17 RUNNING; echo 17")

    assert call_hook(script).returncode == 0

    before = json.loads((slurm.folder / "seen").read_text())
    assert before["job_id"] is None
    assert len(before["token"]) == 12
    (call,) = slurm.calls("sbatch")
    mark = f"--comment=relion-dispatch:{before['token']}"
    assert call == f"{mark} Refine3D/job011/run_submit.script.run"
    assert_submitted(script, "17")
    assert record_of(script.parent)["token"] == before["token"]


@pytest.mark.parametrize(
    "body",
    [f"take 17 PENDING; {TIMED_OUT}", "take 17 PENDING; sleep 30", "take 17 COMPLETED; exit 0"],
    ids=["lying", "hanging", "silent, and the job has ended already"],
)
def test_a_job_that_the_queue_has_is_not_submitted_again(
    body: str, slurm: StandIn, script: Path
) -> None:
    slurm.submits(body)

    assert call_hook(script).returncode == 0

    assert len(slurm.calls("sbatch")) == 1
    assert_submitted(script, "17")
    assert "as job 17" in record_of(script.parent)["attempts"][-1]


def test_a_short_job_that_has_left_the_queue_is_known_by_its_claim(
    slurm: StandIn, script: Path
) -> None:
    """It has run, and RELION knows its end, before the submit command is given up."""
    folder = script.parent
    ran = f"""token=$(grep -om 1 '"token": "[0-9a-f]*' '{folder}/dispatch.json' | tail -c 13)
ln -s "node1, process 5, 2026-11-29T00:00:00, job 17" "{folder}/.dispatch_claim.$token"
touch '{folder}/RELION_JOB_EXIT_SUCCESS'"""
    slurm.submits(f"{ran}\n{TIMED_OUT}")

    assert call_hook(script).returncode == 0

    assert len(slurm.calls("sbatch")) == 1
    record = record_of(folder)
    assert (record["job_id"], "refused" in record) == ("17", False)
    assert record["attempts"][-1].endswith("but the job's script has begun")


def test_a_job_that_the_queue_shows_late_is_not_submitted_again(
    slurm: StandIn, script: Path
) -> None:
    slurm.submits(f"take 17 PENDING; {TIMED_OUT}")
    slurm.queue_answers("[ -e asked ] || { touch asked; exit; }; cat queue")

    assert call_hook(script).returncode == 0

    assert len(slurm.calls("sbatch")) == 1
    assert_submitted(script, "17")


@pytest.mark.parametrize(
    "said",
    ["echo 'Auftrag 17 wurde angenommen'", "echo 2026; echo 17", "echo 'queued' >&2", ":"],
    ids=["another language", "several numbers", "standard error", "nothing"],
)
def test_an_answer_that_is_not_understood_is_no_reason_to_submit_again(
    said: str, slurm: StandIn, script: Path
) -> None:
    slurm.submits(f"take 17 PENDING; {said}")
    slurm.queue_answers("[ -e asked ] || { touch asked; exit; }; cat queue")

    assert call_hook(script).returncode == 0

    assert len(slurm.calls("sbatch")) == 1
    assert_submitted(script, "17")


@pytest.mark.parametrize(
    ("queue", "says"), [("cat queue", "does not have the job"), ("exit 1", "does not answer")]
)
def test_a_job_that_was_taken_by_an_answer_that_nobody_understands_never_runs_unseen(
    queue: str, says: str, slurm: StandIn, script: Path
) -> None:
    slurm.submits("echo 'Auftrag 17 wurde angenommen'")
    slurm.queue_answers(queue)

    assert call_hook(script).returncode == 1

    assert len(slurm.calls("sbatch")) == 1
    assert len(slurm.calls("squeue")) >= 2
    assert_refused(script, "named no job id (it printed: ", "Auftrag 17 wurde", says, '"job_id"')


def test_after_a_passing_trouble_it_is_tried_again(slurm: StandIn, script: Path) -> None:
    slurm.submits(f"[ -e tried ] || {{ touch tried; {TIMED_OUT}; }}; take 18 PENDING; echo 18")

    assert call_hook(script).returncode == 0

    assert len(slurm.calls("sbatch")) == 2
    assert len(slurm.calls("squeue")) >= 2
    assert_submitted(script, "18")
    assert "Socket timed out" in record_of(script.parent)["attempts"][0]


@pytest.mark.parametrize("name", ["sbatch_no_such_nodes", "sbatch_no_such_partition"])
def test_a_clear_refusal_is_final_at_once(name: str, slurm: StandIn, script: Path) -> None:
    said = DEPLOY.parent / "tests" / "data" / "slurm" / f"{name}.txt"
    slurm.submits(f"cat '{said}' >&2; exit 1")

    assert call_hook(script).returncode == 1

    assert len(slurm.calls("sbatch")) == 1
    assert len(slurm.calls("squeue")) == 1, "it did not wait for another answer"
    assert_refused(script, " ".join(said.read_text().split()))


def test_a_refused_job_that_slurm_keeps_as_failed_is_refused(slurm: StandIn, script: Path) -> None:
    slurm.submits("take 17 FAILED; echo 'Requested node configuration is not available'; exit 1")

    assert call_hook(script).returncode == 1

    assert_refused(script, "Requested node configuration is not available")


def test_a_job_in_the_queue_counts_more_than_a_refusal(slurm: StandIn, script: Path) -> None:
    slurm.submits("take 17 PENDING; echo 'a plug-in of the site failed' >&2; exit 1")

    assert call_hook(script).returncode == 0

    assert_submitted(script, "17")


def test_a_lasting_trouble_is_given_up(slurm: StandIn, script: Path) -> None:
    slurm.submits(TIMED_OUT)

    assert call_hook(script).returncode == 1

    assert len(slurm.calls("sbatch")) == 2  # at 0 s and at 1 s; the next would be after 3 s
    assert_refused(script, "Socket timed out", "is not in the queue", "2 attempts")


def test_nothing_is_tried_again_while_the_queue_does_not_answer(
    slurm: StandIn, script: Path
) -> None:
    slurm.submits(TIMED_OUT)
    slurm.queue_answers("echo 'Unable to contact slurm controller' >&2; exit 1")

    assert call_hook(script).returncode == 1

    assert len(slurm.calls("sbatch")) == 1
    assert len(slurm.calls("squeue")) >= 2
    assert_refused(script, "the queue does not answer whether", "ends by itself without running")


def test_a_queue_that_prints_an_error_with_status_0_has_not_answered(
    slurm: StandIn, script: Path
) -> None:
    slurm.submits(TIMED_OUT)
    slurm.queue_answers("echo 'slurm_load_jobs error: Socket timed out' >&2; exit 0")

    assert call_hook(script).returncode == 1

    assert len(slurm.calls("sbatch")) == 1
    assert_refused(script, "the queue does not answer whether")


def test_a_job_that_runs_is_not_refused_though_nobody_can_tell(
    slurm: StandIn, script: Path
) -> None:
    slurm.submits(
        f"token=${{1#*:}}; ln -s elsewhere '{script.parent}/.dispatch_claim.'$token; {TIMED_OUT}"
    )
    slurm.queue_answers("exit 1")

    assert call_hook(script).returncode == 0

    assert_submitted(script, None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_an_interrupted_hook_knows_a_job_that_was_taken(
    number: signal.Signals, slurm: StandIn, script: Path
) -> None:
    slurm.submits("take 17 PENDING; touch taken; sleep 0.8; echo 17")
    hook = start_hook(script)
    wait_for((slurm.folder / "taken").exists)

    hook.send_signal(number)
    hook.communicate(timeout=30)

    assert hook.returncode == 0
    assert_submitted(script, "17")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_an_interrupted_hook_gives_up_what_was_not_taken(
    number: signal.Signals, slurm: StandIn, script: Path
) -> None:
    slurm.submits("touch asked; exec sleep 0.8")
    hook = start_hook(script)
    wait_for((slurm.folder / "asked").exists)

    hook.send_signal(number)
    hook.communicate(timeout=30)

    assert hook.returncode == 1
    assert_refused(script, "was interrupted", "not in the queue")


def test_a_job_aborted_while_it_is_planned_is_not_submitted(slurm: StandIn, script: Path) -> None:
    (script.parent / "RELION_JOB_ABORT_NOW").touch()

    assert call_hook(script).returncode == 0

    assert slurm.calls("sbatch") == []
    assert (script.parent / "RELION_JOB_EXIT_ABORTED").exists()
    assert not (script.parent / "RELION_JOB_EXIT_FAILURE").exists()
    assert "aborted in RELION" in (script.parent / "run.err").read_text()


def test_a_job_that_relion_was_told_to_be_over_is_not_submitted(
    slurm: StandIn, script: Path
) -> None:
    (script.parent / "RELION_JOB_EXIT_FAILURE").touch()

    assert call_hook(script).returncode == 0

    assert slurm.calls("sbatch") == []


@pytest.mark.parametrize("meanwhile", ["run again", "aborted", "told that it failed"])
def test_nothing_is_tried_again_for_a_job_that_is_wanted_no_longer(
    meanwhile: str, slurm: StandIn, script: Path
) -> None:
    folder = script.parent
    newer = {"token": "f" * 12, "job_id": "18"}
    happens = {
        "run again": f"echo '{json.dumps(newer)}' > '{folder}/dispatch.json'",
        "aborted": f"touch '{folder}/RELION_JOB_ABORT_NOW'",
        "told that it failed": f"touch '{folder}/RELION_JOB_EXIT_FAILURE'",
    }
    slurm.submits(f"{happens[meanwhile]}; {TIMED_OUT}")

    assert call_hook(script).returncode == 0

    assert len(slurm.calls("sbatch")) == 1
    (claim,) = folder.glob(".dispatch_claim.*")
    assert str(claim.readlink()).endswith("gave the submission up")
    if meanwhile == "run again":
        assert record_of(folder) == newer
        assert not list(folder.glob("RELION_JOB_EXIT_*"))
    elif meanwhile == "aborted":
        assert (folder / "RELION_JOB_EXIT_ABORTED").exists()


def test_an_abort_during_the_last_attempt_stays_one(slurm: StandIn, script: Path) -> None:
    slurm.submits(f"touch '{script.parent}/RELION_JOB_EXIT_ABORTED'; echo no >&2; exit 1")

    assert call_hook(script).returncode == 0

    (end,) = script.parent.glob("RELION_JOB_EXIT_*")
    assert end.name == "RELION_JOB_EXIT_ABORTED"


def test_a_clock_that_is_ahead_does_not_turn_an_abort_into_a_failure(
    slurm: StandIn, script: Path
) -> None:
    (script.parent / "RELION_JOB_ABORT_NOW").touch()
    ahead = time.time() + 30
    os.utime(script, (ahead, ahead))

    assert call_hook(script).returncode == 0

    (end,) = script.parent.glob("RELION_JOB_EXIT_*")
    assert end.name == "RELION_JOB_EXIT_ABORTED"
    assert slurm.calls("sbatch") == []


def test_a_refusal_says_nothing_of_a_newer_run(slurm: StandIn, script: Path) -> None:
    newer = {"token": "f" * 12, "job_id": "18"}
    slurm.submits(
        f"echo '{json.dumps(newer)}' > '{script.parent}/dispatch.json'; echo no >&2; exit 1"
    )

    assert call_hook(script).returncode == 0

    assert record_of(script.parent) == newer
    assert not list(script.parent.glob("RELION_JOB_EXIT_*"))


def test_an_earlier_runs_end_does_not_hold_for_this_one(slurm: StandIn, script: Path) -> None:
    failure = script.parent / "RELION_JOB_EXIT_FAILURE"
    failure.touch()
    os.utime(failure, (1, 1))

    assert call_hook(script).returncode == 0

    assert len(slurm.calls("sbatch")) == 1
    assert not failure.exists(), "or the job's script would not start"
    assert not (script.parent / ".dispatch_hook").exists()


def test_what_the_job_has_added_to_the_record_stays(slurm: StandIn, script: Path) -> None:
    """As a job whose script ends before its hook does."""
    slurm.submits(
        f"cd '{script.parent}'; sed -i '$d' dispatch.json; sed -i '$s/$/,/' dispatch.json;"
        """printf '  "run": {\\n    "exit_status": 0\\n  }\\n}\\n' >> dispatch.json; echo 17"""
    )

    assert call_hook(script).returncode == 0

    record = record_of(script.parent)
    assert (record["run"], record["job_id"]) == ({"exit_status": 0}, "17")


def test_many_jobs_of_two_projects_at_once(
    slurm: StandIn, corpus_job: CorpusJob, project: Path, tmp_path: Path
) -> None:
    slurm.submits("take $$ PENDING; echo $$")
    script = corpus_job("relion-5.0.1/PostProcess_job016")
    text, star = script.read_text(), script.with_name("job.star").read_bytes()
    scripts = []
    for place in (project, tmp_path / "other"):
        for number in range(100, 112):
            folder = place / f"PostProcess/job{number}"
            folder.mkdir(parents=True)
            (folder / "job.star").write_bytes(star)
            (folder / "run_submit.script").write_text(text.replace("job016", f"job{number}"))
            scripts.append(folder / "run_submit.script")

    with ThreadPoolExecutor(8) as pool:
        assert {done.returncode for done in pool.map(call_hook, scripts)} == {0}

    records = [record_of(script.parent) for script in scripts]
    queued = {row.split("|")[0]: row.split(":")[-1] for row in slurm.queue.read_text().splitlines()}
    assert {record["job_id"]: record["token"] for record in records} == queued
    assert len({record["token"] for record in records}) == len(scripts) == len(queued)
