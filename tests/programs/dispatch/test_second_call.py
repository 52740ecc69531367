"""The hook called again for a run that was submitted already: one job, whoever calls how often.

Slurm's commands are stand-ins here; tests/system/faults asks a real Slurm.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from dispatcher.jobs.hook_process import HOOK, at_work

from ...fixture_types import CorpusJob, WriteSite
from ...waiting import wait_for_arguments
from ..hook_calls import call_hook, start_hook
from ..stand_in_scheduler import StandIn, record_of

pytestmark = pytest.mark.usefixtures("images")


@pytest.fixture
def slurm(tmp_path: Path, site: WriteSite) -> StandIn:
    """A scheduler that takes each job, slowly, under a number of its own."""
    stand_in = StandIn(tmp_path / "slurm", site, timeout=20)
    stand_in.submits("sleep 0.5; take $$ PENDING; echo $$")
    return stand_in


@pytest.fixture
def script(corpus_job: CorpusJob) -> Path:
    """The submission script of a job."""
    return corpus_job("relion-5.0.1/PostProcess_job016")


def test_two_calls_at_the_same_moment(slurm: StandIn, script: Path) -> None:
    hooks = [start_hook(script) for _ in range(3)]
    said = [hook.communicate(timeout=60) for hook in hooks]

    assert [hook.returncode for hook in hooks] == [0, 0, 0]
    assert len(slurm.calls("sbatch")) == 1
    assert sum("this call does nothing" in errors for _, errors in said) == 2
    assert len(list(script.parent.glob("dispatch.json*"))) == 1


def test_a_call_after_the_submission(slurm: StandIn, script: Path) -> None:
    assert call_hook(script).returncode == 0
    record = record_of(script.parent)

    second = start_hook(script)
    _, said = second.communicate(timeout=60)

    assert second.returncode == 0
    assert f"was submitted before, as job {record['job_id']}" in said
    assert record_of(script.parent) == record
    assert len(slurm.calls("sbatch")) == 1


def test_a_call_that_would_fail_says_nothing_of_a_job_that_runs(
    slurm: StandIn, script: Path, tmp_path: Path
) -> None:
    """As from a second terminal, where the dispatcher is not set up."""
    assert call_hook(script).returncode == 0

    second = call_hook(script, RELION_DISPATCH_SITE=str(tmp_path / "nowhere"))

    assert second.returncode == 0
    assert "was submitted before" in second.stderr
    assert not list(script.parent.glob("RELION_JOB_EXIT_*"))


def test_a_call_while_another_plans(slurm: StandIn, script: Path, tmp_path: Path) -> None:
    named = "/".join(script.parts[-3:])
    with subprocess.Popen(["bash", "-c", "read", named], stdin=subprocess.PIPE) as other:
        wait_for_arguments(other.pid, named)
        note = {"host": os.uname().nodename, "pid": other.pid}
        (script.parent / HOOK).write_text(json.dumps(note))

        second = call_hook(script, RELION_DISPATCH_SITE=str(tmp_path / "nowhere"))

        assert (script.parent / HOOK).exists(), "it is the other's"
    assert second.returncode == 0
    assert f"is being submitted by process {other.pid}" in second.stderr
    assert not list(script.parent.glob("RELION_JOB_EXIT_*"))


def test_no_note_stays_though_it_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a full disk, where the file is made, and stays empty."""
    monkeypatch.setattr(Path, "write_text", lambda path, _: path.touch())

    with at_work(tmp_path):
        assert (tmp_path / HOOK).exists()

    assert not (tmp_path / HOOK).exists()


@pytest.mark.parametrize(
    "case", ["RELION asks again", "refused", "has run", "has ended", "its hook is dead"]
)
def test_a_run_that_may_be_submitted_again(case: str, slurm: StandIn, script: Path) -> None:
    assert call_hook(script).returncode == 0
    file = script.parent / "dispatch.json"
    record = record_of(script.parent)
    if case == "RELION asks again":
        os.utime(file, (1, 1))  # older than the script that RELION writes
    elif case == "refused":
        record["refused"] = "Too many jobs."
    elif case == "has run":
        record["run"] = {"exit_status": 0}
    elif case == "its hook is dead":
        record |= {"job_id": None, "pid": 4194305}
    if case != "RELION asks again":
        file.write_text(json.dumps(record))
    if case == "has ended":  # what ended before this run is not about it
        (script.parent / "RELION_JOB_EXIT_SUCCESS").touch()
        os.utime(script.parent / "RELION_JOB_EXIT_SUCCESS", (1, 1))

    assert call_hook(script).returncode == 0

    assert record_of(script.parent)["token"] != record["token"]
    assert len(slurm.calls("sbatch")) == 2
    assert (script.parent / "dispatch.json.1").exists()


@pytest.mark.parametrize("what", ["note", "record", "job script"])
def test_a_time_to_come_makes_no_file_this_runs(what: str, slurm: StandIn, script: Path) -> None:
    """Files that came with a project, or that a colleague laid there before RELION ran the job."""
    folder = script.parent
    if what == "note":
        file = folder / HOOK
        file.write_text(json.dumps({"host": "elsewhere", "pid": 1}))
    elif what == "record":
        file = folder / "dispatch.json"
        file.write_text(json.dumps({"token": "0123456789ab", "job_id": "17"}))
    else:
        (folder / "dispatch.json").write_text("no record")
        file = folder / "run_submit.script.run"
        file.write_text("of an earlier run\n")
    os.utime(file, (4e9, 4e9))
    time.sleep(0.05)
    script.touch()

    assert call_hook(script).returncode == 0

    assert len(slurm.calls("sbatch")) == 1


def test_a_note_of_another_user_is_no_note(slurm: StandIn, script: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root gives files away")
    file = script.parent / HOOK
    file.write_text(json.dumps({"host": "elsewhere", "pid": 1}))
    os.chown(file, 65534, -1)

    assert call_hook(script).returncode == 0

    assert len(slurm.calls("sbatch")) == 1
