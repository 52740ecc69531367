"""The watcher's script: what it tells RELION, and when it keeps silent.

scontrol and sacct are stand-ins that print recorded output; tests/system has the real ones.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.dispatch.write_record import record_text
from dispatcher.host.processes import is_alive
from dispatcher.jobs.watcher import watcher_script
from dispatcher.planning.make_plan import plan_script
from dispatcher.refusal import IN_SIGHT, TWO_ROWS
from dispatcher.scheduler.answers import read_end

from ...fixture_types import CorpusJob
from ...waiting import wait_for
from ..accounting_rows import ACCOUNTING_ROWS

DATA = Path(__file__).parents[2] / "data" / "slurm"
GOLDEN = Path(__file__).parents[2] / "golden" / "watcher"
TOKEN = "0123456789ab"
FORGOTTEN = "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1"

pytestmark = pytest.mark.usefixtures("images")


@pytest.fixture
def folder(corpus_job: CorpusJob) -> Path:
    """A job's folder with a record, and the line of its script that names the submission."""
    folder = corpus_job("relion-5.0.1/Refine3D_job011").parent
    (folder / "run_submit.script.run").write_text(f"dispatch_token={TOKEN}\n")
    (folder / "dispatch.json").write_text(record_text({"token": TOKEN, "job_id": "17"}))
    return folder


def watcher(folder: Path, scheduler: str, **parameters: object) -> str:
    configuration = load_configuration()
    plan = plan_script(folder / "run_submit.script", configuration)
    parameters = {**plan.job_parameters, **parameters}
    plan = plan._replace(scheduler=scheduler, directives=scheduler, job_parameters=parameters)
    return watcher_script(plan, configuration.site.schedulers[scheduler], TOKEN)


def run(
    script: str, tmp_path: Path, said: str = "", accounting: str = "echo >&2 is disabled; exit 1"
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir(exist_ok=True)
    for name, does, asked in (("scontrol", said, "asked"), ("sacct", accounting, "accounting")):
        (programs / name).write_text(f'#!/bin/sh\necho "$*" >> "{tmp_path}/{asked}"\n{does}\n')
        (programs / name).chmod(0o755)
    subprocess.run(
        ["bash", "-c", script, "watcher", "17"],
        env={"PATH": f"{programs}:{os.environ['PATH']}"},
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("name", ["timeout", "killed", "node_fail", "cancelled", "out_of_memory"])
def test_relion_is_told_what_the_scheduler_knows(name: str, folder: Path, tmp_path: Path) -> None:
    recorded = DATA / f"{name}.txt"

    run(watcher(folder, "slurm"), tmp_path, f"cat '{recorded}'")

    why = read_end(load_configuration().site.schedulers["slurm"], recorded.read_text())
    sentence = f"The job ended before its script could report the end, because {why}."
    assert (folder / "run.err").read_text() == f"{IN_SIGHT}relion-dispatch: {sentence}\n"
    out = folder / "run.out"
    assert (out.read_text() if out.exists() else "") == (
        f"relion-dispatch: {sentence}\n" if len(f"relion-dispatch: {sentence}") > TWO_ROWS else ""
    )
    assert (folder / "RELION_JOB_EXIT_FAILURE").exists()
    assert (tmp_path / "asked").read_text() == "show job --oneliner 17\n"


@pytest.mark.parametrize(("row", "says"), [(row, says) for row, says, _ in ACCOUNTING_ROWS if says])
def test_accounting_is_asked_about_a_job_that_the_scheduler_has_forgotten(
    row: str, says: str, folder: Path, tmp_path: Path
) -> None:
    (folder / "run_submit.script.watch").touch()
    os.utime(folder / "run_submit.script.watch", (1e9, 1e9))

    run(watcher(folder, "slurm"), tmp_path, FORGOTTEN, f"echo '{row}'")

    sentence = f"The job ended before its script could report the end, because {says}."
    assert (folder / "run.err").read_text() == f"{IN_SIGHT}relion-dispatch: {sentence}\n"
    asked = (tmp_path / "accounting").read_text()
    a_day_before = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(1e9 - 86400))
    assert f"--jobs=17 --starttime={a_day_before} " in asked


@pytest.mark.parametrize("row", [row for row, says, _ in ACCOUNTING_ROWS if says is None])
def test_a_job_that_runs_by_the_accounting_has_not_ended(
    row: str, folder: Path, tmp_path: Path
) -> None:
    run(watcher(folder, "slurm"), tmp_path, FORGOTTEN, f"echo '{row}'")

    assert not list(folder.glob("RELION_JOB_EXIT_*"))


def test_what_the_scheduler_knows_needs_no_accounting(folder: Path, tmp_path: Path) -> None:
    run(watcher(folder, "slurm"), tmp_path, f"cat '{DATA}/killed.txt'")

    assert (folder / "RELION_JOB_EXIT_FAILURE").exists()
    assert not (tmp_path / "accounting").exists()


@pytest.mark.parametrize(
    "accounting", ["", "echo '17|RUNNING|0:0'", "echo Welcome", "echo >&2 no such cluster; exit 1"]
)
def test_without_a_word_of_the_accounting_it_is_as_before(
    accounting: str, folder: Path, tmp_path: Path
) -> None:
    run(watcher(folder, "slurm"), tmp_path, FORGOTTEN, accounting)

    assert "because it was killed, or its node was lost: c" in (folder / "run.err").read_text()


def test_relion_is_told_though_the_scheduler_knows_nothing(folder: Path, tmp_path: Path) -> None:
    run(watcher(folder, "slurm"), tmp_path, "exit 1")

    assert (
        "because it was killed, or its node was lost: continue the job"
        in (folder / "run.err").read_text()
    )
    assert (folder / "RELION_JOB_EXIT_FAILURE").exists()


@pytest.mark.parametrize("spoilt", ['{"token": "4711', "", "\0" * 100, None])
def test_relion_is_told_though_the_record_cannot_be_read(
    spoilt: str | None, folder: Path, tmp_path: Path
) -> None:
    record = folder / "dispatch.json"
    script = watcher(folder, "slurm")
    if spoilt is None:
        record.unlink()
        os.mkfifo(record)
    else:
        record.write_text(spoilt)

    run(script, tmp_path, "exit 1")

    assert (folder / "RELION_JOB_EXIT_FAILURE").exists()


def test_nothing_is_told_in_a_folder_that_is_not_the_jobs(folder: Path, tmp_path: Path) -> None:
    """While the job waited, a colleague put a link in the place of the job's folder."""
    script = watcher(folder, "slurm")
    folder.rename(tmp_path / "moved")
    (tmp_path / "private").mkdir()
    (tmp_path / "private/run.err").write_text("kept\n")
    folder.symlink_to(tmp_path / "private")

    run(script, tmp_path, "exit 1")

    assert [file.name for file in (tmp_path / "private").iterdir()] == ["run.err"]
    assert (tmp_path / "private/run.err").read_text() == "kept\n"


@pytest.mark.parametrize(("end", "says"), [("FAILURE", True), ("SUCCESS", False)])
def test_a_script_that_was_killed_after_it_told_relion(
    end: str, says: bool, folder: Path, tmp_path: Path
) -> None:
    """What it had still to do: the sentence, and to remove its folder."""
    control = folder / f".dispatch_control.{TOKEN}"
    control.mkdir()
    (folder / f".dispatch_claim.{TOKEN}").symlink_to("node1, process 1, then, job 17")
    (folder / f"RELION_JOB_EXIT_{end}").touch()

    run(watcher(folder, "slurm"), tmp_path, "exit 1")

    assert (folder / "run.err").exists() == says
    assert [file.name for file in folder.glob("RELION_JOB_EXIT_*")] == [f"RELION_JOB_EXIT_{end}"]
    assert not control.exists()


@pytest.mark.parametrize("state", ["PENDING", "RUNNING"])
def test_nothing_is_told_of_a_job_that_has_not_ended(
    state: str, folder: Path, tmp_path: Path
) -> None:
    run(watcher(folder, "slurm"), tmp_path, f"echo JobId=17 JobState={state} Reason=None")

    assert not (folder / "run.err").exists()
    assert not list(folder.glob("RELION_JOB_EXIT_*"))


def test_an_aborted_job_is_aborted(folder: Path, tmp_path: Path) -> None:
    (folder / "RELION_JOB_ABORT_NOW").touch()

    run(watcher(folder, "slurm"), tmp_path, f"cat '{DATA}/cancelled.txt'")

    assert (folder / "RELION_JOB_EXIT_ABORTED").exists()
    assert not (folder / "RELION_JOB_EXIT_FAILURE").exists()


@pytest.mark.parametrize(
    "case",
    [
        "SUCCESS",
        "FAILURE",
        "ABORTED",
        "another token",
        "no record",
        "submitted since",
        "another copy has the job",
        "the end was told before",
        "the end was told before, by version 0.1.0",
        "RELION runs it without the queue",
    ],
)
def test_it_keeps_silent_where_there_is_nothing_to_tell(
    case: str, folder: Path, tmp_path: Path
) -> None:
    record = folder / "dispatch.json"
    script = watcher(folder, "slurm")
    if case == "another token":
        record.write_text(record_text({"token": "ffffffffffff"}))
    elif case == "no record":
        record.unlink()
    elif case == "submitted since":
        os.utime(record, (1, 1))
    elif case == "another copy has the job":
        (folder / f".dispatch_claim.{TOKEN}").symlink_to("gpu2, process 5, now, job 18")
    elif case == "the end was told before":
        (folder / f"dispatch.run.{TOKEN}").write_text(f"token {TOKEN}\nending FAILURE\n")
    elif case == "the end was told before, by version 0.1.0":
        record.write_text(
            record_text({"token": TOKEN, "job_id": "17", "run": {"ending": "FAILURE"}})
        )
    elif case == "RELION runs it without the queue":
        star = folder / "job.star"
        text = re.sub(r"(do_queue +)Yes", r"\1No", star.read_text())
        star.write_text(text)
        assert "No" in text
    else:
        (folder / f"RELION_JOB_EXIT_{case}").touch()
    before = sorted(folder.iterdir())

    run(script, tmp_path)

    assert sorted(folder.iterdir()) == before
    assert not (tmp_path / "asked").exists()


@pytest.mark.parametrize(
    "claim",
    [
        "gpu1, process 5, now, job 17",
        "gpu1, process 5, now, job 17.server",
        "gpu1, process 5, now, job ",
        "login, process 5, now, and gave the submission up",
        None,
    ],
)
def test_no_other_copy_runs_after_it_has_told(
    claim: str | None, folder: Path, tmp_path: Path
) -> None:
    link = folder / f".dispatch_claim.{TOKEN}"
    if claim:
        link.symlink_to(claim)

    run(watcher(folder, "slurm"), tmp_path, f"cat '{DATA}/killed.txt'")

    assert (folder / "RELION_JOB_EXIT_FAILURE").exists()
    assert str(link.readlink()).endswith("job 17" if claim is None else claim)


def test_it_uses_what_the_jobs_script_has_kept_for_a_full_disk(
    folder: Path, tmp_path: Path
) -> None:
    control = folder / f".dispatch_control.{TOKEN}"
    control.mkdir()
    (control / "ending").touch()
    kept = (control / "ending").stat().st_ino

    run(watcher(folder, "slurm"), tmp_path, f"cat '{DATA}/killed.txt'")

    assert (folder / "RELION_JOB_EXIT_FAILURE").stat().st_ino == kept
    assert not control.exists()


def test_two_watchers_tell_once(folder: Path, tmp_path: Path) -> None:
    script = watcher(folder, "slurm")
    run("", tmp_path, f"cat '{DATA}/killed.txt'")

    both = [
        subprocess.Popen(
            ["bash", "-c", script, "watcher", "17"],
            env={"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"},
        )
        for _ in range(2)
    ]
    for each in both:
        each.wait(60)

    assert (folder / "run.err").read_text().count("relion-dispatch: ") == 1


def test_the_rest_of_a_killed_local_job_is_ended_and_told(folder: Path, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    job = subprocess.Popen(
        ["bash", "-c", f"sleep 100 & echo $! > '{ready}.new'; mv '{ready}.new' '{ready}'; wait"],
        start_new_session=True,
    )
    wait_for(ready.exists)
    waiting = subprocess.Popen(["bash", "-c", watcher(folder, "local"), "watcher", str(job.pid)])
    # Whoever ends what follows run.out may hit the watcher's tail as well.
    hit = ["pkill", "-P", str(waiting.pid), "tail"]
    wait_for(lambda: subprocess.run(hit).returncode == 0)
    time.sleep(1.5)
    assert job.poll() is None
    assert not (folder / "run.err").exists()

    job.kill()
    job.wait()

    assert waiting.wait(30) == 0
    assert (folder / "RELION_JOB_EXIT_FAILURE").exists()
    assert "it was killed" in (folder / "run.err").read_text()
    wait_for(lambda: not is_alive(int(ready.read_text())), 5, "the end of its other process")


@pytest.mark.parametrize("scheduler", ["slurm", "local", "pbs", "lsf", "gridengine"])
def test_the_script_is_the_golden_one(scheduler: str, folder: Path, tmp_path: Path) -> None:
    options = ["--account=em", "--exclusive", "--qos=long"]

    script = watcher(folder, scheduler, partition="gpu_long", scheduler_options=options)

    script = script.replace(str(tmp_path), "/data")
    golden = GOLDEN / f"{scheduler}.sh"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(script)
    assert script == golden.read_text()
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", "-"], input=script, text=True, check=True)


def test_in_grid_engine_it_finds_what_was_on_the_path_of_whoever_submitted(
    folder: Path, tmp_path: Path
) -> None:
    programs = tmp_path / "module"
    programs.mkdir()
    for name, does in (("qstat", "exit 1"), ("qacct", "echo failed 37; echo exit_status 137")):
        (programs / name).write_text(f"#!/bin/sh\n{does}\n")
        (programs / name).chmod(0o755)

    subprocess.run(
        ["bash", "-c", watcher(folder, "gridengine"), "watcher", "17"],
        env={"PATH": "/usr/bin:/bin", "SGE_O_PATH": f"{programs}:/usr/bin:/bin"},
        check=True,
        timeout=60,
    )

    assert "it reached its time limit" in (folder / "run.err").read_text()


def test_a_run_file_that_was_never_finished_goes(folder: Path, tmp_path: Path) -> None:
    unfinished = folder / f".dispatch.run.{TOKEN}.new"
    unfinished.touch()
    (folder / "RELION_JOB_EXIT_SUCCESS").touch()

    run(watcher(folder, "slurm"), tmp_path, "exit 1")

    assert not unfinished.exists()
