"""Jobs go to a real Slurm once: through lies, silence, a controller that is down, a killed hook."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from .conftest import MakeProject, Project, wait_for
from .controller_line import ControllerLine

PYTHON = pytest.mark.parametrize("form", ["python"])
REAL = shutil.which("sbatch")


def change_scheduler(project: Project, **keys: Any) -> None:
    """Lay keys upon the scheduler `slurm` of the project's site."""
    file = Path(project.environment["RELION_DISPATCH_SITE"]) / "site.json"
    content = json.loads(file.read_text())
    content.setdefault("schedulers", {}).setdefault("slurm", {}).update(keys)
    file.write_text(json.dumps(content))


def wrap_sbatch(project: Project, body: str, **keys: Any) -> Path:
    """Put a wrapper of the site's before sbatch; the job's own submission runs `body`."""
    program = project.folder.parent / "sbatch-wrapper"
    program.write_text(
        f'#!/bin/bash\nreal() {{ {REAL} --parsable "$@"; }}\n'
        f"echo $$ >> '{program}.calls'\n{body}\n"
    )
    program.chmod(0o755)
    change_scheduler(project, submit_command=[str(program)], **keys)
    return program


def calls(program: Path) -> list[int]:
    """The process id of each call of a wrapper."""
    file = program.with_name(f"{program.name}.calls")
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def mask_job(project: Project) -> Path:
    """A job of a second."""
    return project.add_job("maskcreate", fn_in="reference.mrc", inimask_threshold=0.2)


def start_hook(project: Project, job: Path, **environment: str) -> subprocess.Popen[str]:
    """Call the hook on the host, as a RELION outside any container would."""
    return subprocess.Popen(
        [project.hook, f"{job.parent.name}/{job.name}/run_submit.script"],
        cwd=project.folder,
        env={**project.environment, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def dispatch(project: Project, *arguments: str, **environment: str) -> str:
    """Type a command of relion-dispatch in the project's folder; what it prints."""
    done = subprocess.run(
        [project.command, *arguments],
        cwd=project.folder,
        env={**project.environment, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def copies_in_slurm(token: str) -> list[str]:
    """The ids of all jobs that carry this token."""
    rows = subprocess.run(
        ["squeue", "--me", "--states=all", "--noheader", "--format=%i %k"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return [row.split()[0] for row in rows if row.endswith(f"relion-dispatch:{token}")]


def assert_ran_once(project: Project, job: Path) -> None:
    """RELION's programs ran once, and the record has the job that ran them."""
    wait_for((job / "RELION_JOB_EXIT_SUCCESS").exists, 60, "the job's success")
    record = project.record(job)
    assert copies_in_slurm(record["token"]) == [record["job_id"]]
    assert (job / "run.out").read_text().count("relion-dispatch ") == 1


@pytest.mark.parametrize("form", ["python", "appliance"])
def test_a_lying_sbatch_is_not_believed(make_project: MakeProject) -> None:
    project = make_project("5")
    sbatch = wrap_sbatch(
        project,
        'real "$@" >/dev/null; echo "sbatch: error: Batch job submission failed: Socket timed out '
        'on send/recv operation" >&2; exit 1',
    )
    job = mask_job(project)

    project.run_job(job)

    project.assert_succeeded(job)
    assert_ran_once(project, job)
    assert len(calls(sbatch)) == 1
    assert "Socket timed out" in project.record(job)["attempts"][0]


@PYTHON
def test_a_hanging_sbatch_that_has_submitted_the_job(make_project: MakeProject) -> None:
    project = make_project("5")
    sbatch = wrap_sbatch(project, 'real "$@"; exec sleep 60', timeout=3)
    job = mask_job(project)

    project.run_job(job)

    project.assert_succeeded(job)
    assert_ran_once(project, job)
    assert len(calls(sbatch)) == 1


@PYTHON
def test_slurmctld_down_for_a_while_during_submission(
    make_project: MakeProject, tmp_path: Path
) -> None:
    project = make_project("5")
    job = mask_job(project)
    with ControllerLine(tmp_path / "line") as line:
        hook = start_hook(project, job, SLURM_CONF=str(line.configuration))
        wait_for((job / "dispatch.json").exists, 20, "the record")
        time.sleep(5)
        line.open()
        output, _ = hook.communicate(timeout=90)
        assert hook.returncode == 0, output

        assert_ran_once(project, job)

    attempts = project.record(job)["attempts"]
    assert attempts
    assert all("Unable to contact slurm controller" in each for each in attempts)


@PYTHON
def test_slurmctld_takes_the_job_after_sbatch_has_given_up(
    make_project: MakeProject, tmp_path: Path
) -> None:
    project = make_project("5")
    job = mask_job(project)
    with ControllerLine(tmp_path / "line") as line:
        line.held = 1
        line.open()
        hook = start_hook(project, job, SLURM_CONF=str(line.configuration))
        wait_for(lambda: line.has_held, 30, "the end of sbatch")
        line.release()
        output, _ = hook.communicate(timeout=90)
        assert hook.returncode == 0, output

        assert_ran_once(project, job)

    assert "the queue had it nevertheless" in project.record(job)["attempts"][-1]


@PYTHON
def test_slurmctld_down_for_good(make_project: MakeProject, tmp_path: Path) -> None:
    project = make_project("5")
    change_scheduler(project, retry=8)
    job = mask_job(project)
    with ControllerLine(tmp_path / "line") as line:
        hook = start_hook(project, job, SLURM_CONF=str(line.configuration))
        hook.communicate(timeout=90)

    assert hook.returncode == 1
    assert (job / "RELION_JOB_EXIT_FAILURE").exists()
    assert "Unable to contact slurm controller" in (job / "run.err").read_text()
    record = project.record(job)
    assert copies_in_slurm(record["token"]) == []
    assert (job / f".dispatch_claim.{record['token']}").is_symlink()


@PYTHON
def test_a_job_that_was_given_up_does_not_run_when_slurm_takes_it_after_all(
    make_project: MakeProject, tmp_path: Path
) -> None:
    project = make_project("5")
    change_scheduler(project, retry=4, queue_command=["false"])  # nor does squeue answer
    job = mask_job(project)
    with ControllerLine(tmp_path / "line") as line:
        line.held = 1
        line.open()
        hook = start_hook(project, job, SLURM_CONF=str(line.configuration))
        hook.communicate(timeout=90)
        assert hook.returncode == 1
        assert "the queue cannot be asked" in (job / "run.err").read_text()

        line.release()

    (number,) = copies_in_slurm(project.record(job)["token"])
    listed = ["squeue", "--states=all", "--noheader", "--format=%T", f"--jobs={number}"]
    wait_for(lambda: "COMPLETED" in subprocess.check_output(listed, text=True), 30, "its end")
    assert not (job / "mask.mrc").exists()
    assert [file.name for file in job.glob("RELION_JOB_EXIT_*")] == ["RELION_JOB_EXIT_FAILURE"]


@PYTHON
@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("--partition=none", "Invalid partition name"),
        ("--gres=gpu:77", "Requested node configuration is not available"),
    ],
)
def test_a_clear_refusal_is_final_at_once(
    option: str, says: str, make_project: MakeProject
) -> None:
    project = make_project("5")
    change_scheduler(project, submit_command=["sbatch", "--parsable", option])
    job = mask_job(project)
    began = time.monotonic()

    hook = start_hook(project, job)
    hook.communicate(timeout=60)

    assert hook.returncode == 1
    assert time.monotonic() - began < 5
    assert says in (job / "run.err").read_text()


@PYTHON
def test_a_hook_killed_while_it_plans(make_project: MakeProject) -> None:
    """Apptainer does not answer, as on a file system that hangs; nothing is recorded yet."""
    project = make_project("5")
    job = mask_job(project)
    hanging = project.folder.parent / "hanging"
    hanging.write_text("#!/bin/sh\nexec sleep 60\n")
    hanging.chmod(0o755)
    file = Path(project.environment["RELION_DISPATCH_SITE"]) / "site.json"
    content = json.loads(file.read_text())
    content["apptainer"]["program"] = str(hanging)
    file.write_text(json.dumps(content))
    hook = start_hook(project, job)
    time.sleep(2)
    assert hook.poll() is None
    os.killpg(hook.pid, signal.SIGKILL)
    hook.wait()
    assert not (job / "dispatch.json").exists()
    begin = time.time() - 700  # as after ten minutes
    os.utime(job / "run_submit.script", (begin, begin))
    (pipeline_row,) = json.loads(mark_running(project, job))
    assert pipeline_row["relion"] == "Failed"
    assert "was never submitted" in (job / "run.err").read_text()


def mark_running(project: Project, job: Path) -> str:
    """Have the pipeline say Running, as RELION does before it calls the hook; then the status."""
    pipeline = project.folder / "default_pipeline.star"
    lines = [
        line.replace("Scheduled", "Running") if f"{job.parent.name}/{job.name}/" in line else line
        for line in pipeline.read_text().splitlines(keepends=True)
    ]
    pipeline.write_text("".join(lines))
    return dispatch(project, "status", "--json")


@PYTHON
def test_a_hook_killed_before_the_job_is_in_the_queue(make_project: MakeProject) -> None:
    project = make_project("5")
    sbatch = wrap_sbatch(project, "exec sleep 60")
    job = mask_job(project)
    hook = start_hook(project, job)
    wait_for(lambda: calls(sbatch), 20, "the submit command")

    os.killpg(hook.pid, signal.SIGKILL)
    hook.wait()

    record = project.record(job)
    assert (record["job_id"], len(record["token"])) == (None, 12)
    (row,) = json.loads(mark_running(project, job))
    assert row["relion"] == "Failed"
    assert "the queue does not have it" in (job / "run.err").read_text()


@PYTHON
def test_a_hook_killed_when_the_job_is_in_the_queue(make_project: MakeProject) -> None:
    project = make_project("5")
    sbatch = wrap_sbatch(project, 'real --hold "$@"; touch "$0.taken"; exec sleep 60')
    job = mask_job(project)
    hook = start_hook(project, job)
    wait_for(sbatch.with_name(f"{sbatch.name}.taken").exists, 20, "the submission")

    os.killpg(hook.pid, signal.SIGKILL)
    hook.wait()

    record = project.record(job)
    assert record["job_id"] is None
    (job_id,) = copies_in_slurm(record["token"])
    (row,) = json.loads(mark_running(project, job))
    assert (row["relion"], row["state"], row["job_id"]) == ("Running", "PENDING", job_id)
    assert project.record(job)["job_id"] == job_id
    subprocess.run(["scontrol", "release", job_id], check=True)
    assert_ran_once(project, job)


@PYTHON
def test_a_job_that_runs_again_is_a_new_submission(make_project: MakeProject) -> None:
    project = make_project("5")
    job = mask_job(project)
    project.run_job(job)
    project.assert_succeeded(job)
    first = project.record(job)
    for file in job.glob("RELION_JOB_EXIT_*"):  # as RELION does when it starts a job
        file.unlink()

    hook = start_hook(project, job)
    output, _ = hook.communicate(timeout=60)

    assert hook.returncode == 0, output
    wait_for((job / "RELION_JOB_EXIT_SUCCESS").exists, 60, "the second success")
    again = project.record(job)
    kept = json.loads((job / "dispatch.json.1").read_text())
    assert (kept["token"], kept["job_id"]) == (first["token"], first["job_id"])
    assert again["token"] != first["token"]
    assert again["job_id"] != first["job_id"]


@PYTHON
def test_many_submissions_of_two_projects_at_once(make_project: MakeProject) -> None:
    """Each is in the queue once, and each record has its own job. They are held, and cancelled."""
    jobs = []
    projects = [make_project("5", name=name) for name in ("one", "two")]
    for project in projects:
        change_scheduler(project, submit_command=["sbatch", "--parsable", "--hold"])
        first = mask_job(project)
        for number in range(101, 121):
            job = shutil.copytree(first, first.with_name(f"job{number}"))
            script = job / "run_submit.script"
            script.write_text(script.read_text().replace(first.name, job.name))
            jobs.append((project, job))
    lock = threading.Lock()
    failed = []

    def submit(each: tuple[Project, Path]) -> None:
        hook = start_hook(*each)
        output, _ = hook.communicate(timeout=120)
        if hook.returncode:
            with lock:
                failed.append(output)

    try:
        with ThreadPoolExecutor(20) as pool:
            list(pool.map(submit, jobs))
        assert not failed
        records = [project.record(job) for project, job in jobs]
        assert len({record["token"] for record in records}) == len(jobs)
        assert all(copies_in_slurm(each["token"]) == [each["job_id"]] for each in records)
    finally:
        subprocess.run(["scancel", "--me"], check=True)
