"""Real RELION jobs that end badly: the right exit file, a true sentence, nothing left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from .conftest import MakeProject, Project, wait_for
from .test_local import processes_of, submit_directly
from .test_slurm import REFINE

# The job script is the same from wherever it was submitted.
pytestmark = pytest.mark.parametrize("form", ["python"])

LONG = {**REFINE, "other_args": '"--auto_iter_max 200"'}
EXIT_FILES = "RELION_JOB_EXIT_*"


def told(job: Path) -> tuple[set[str], str]:
    """The exit files, and the last line of run.err."""
    files = {path.name.rpartition("_")[2] for path in job.glob(EXIT_FILES)}
    return files, (job / "run.err").read_text().splitlines()[-1]


def ended(project: Project, job: Path, seconds: float = 60) -> dict[str, Any]:
    """Wait for the record to be complete, the last that a job script does; what it says."""
    wait_for(lambda: "run" in project.record(job), seconds, "the end of the job")
    run: dict[str, Any] = project.record(job)["run"]
    files, sentence = told(job)
    assert files == {run["ending"]}
    assert sentence == f"relion-dispatch: {run['reason']}"
    assert not list(job.glob(".dispatch_control"))
    return run


def change_site(project: Project, **settings: Any) -> None:
    """Lay settings upon the project's site.json."""
    path = Path(project.environment["RELION_DISPATCH_SITE"]) / "site.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))


def wait_for_iterations(job: Path) -> None:
    """Wait until RELION has begun to iterate."""
    out = job / "run.out"
    wait_for(lambda: out.exists() and "Expectation" in out.read_text(), 120, "the first iteration")


def started(project: Project, job: Path) -> int:
    """Submit the job directly and wait for RELION's first iteration; the job's id."""
    done = submit_directly(project, job)
    assert done.returncode == 0, done.stderr
    wait_for_iterations(job)
    return int(project.record(job)["job_id"])


# Bad input


def test_a_missing_particle_stack_is_told(make_project: MakeProject) -> None:
    project = make_project("5", scheduler="local", refine={"ngpu": 0})
    job = project.add_job("refine3d", **REFINE)
    (project.folder / "particles.mrcs").unlink()

    project.run_job(job)

    assert project.status(job) == "Failed"
    assert "because a file that it needs is not there" in ended(project, job)["reason"]
    assert "particles.mrcs" in (job / "run.err").read_text()


def test_a_corrupt_map_is_told(make_project: MakeProject) -> None:
    project = make_project("5", scheduler="local")
    job = project.add_job("maskcreate", fn_in="reference.mrc")
    (project.folder / "reference.mrc").write_bytes(b"\0" * 700)

    project.run_job(job)

    assert project.status(job) == "Failed"
    assert "relion_mask_create ended with status 1" in ended(project, job)["reason"]


@pytest.mark.parametrize(
    ("mpirun", "because"),
    [
        (
            'exec mpirun --bind-to none --oversubscribe -n 2 "${@:2}"',
            "RELION needs an odd number of ranks here, at least 3",
        ),
        (
            'exec mpirun --bind-to none --oversubscribe -n 4 "${@:2}"',
            "RELION needs an odd number of ranks here, at least 3",
        ),
        (
            '"${@:2}" & "${@:2}" & wait $! && wait',
            "its ranks started as single processes that did not find each other",
        ),
    ],
    ids=["two ranks", "four ranks", "single processes"],
)
@pytest.mark.parametrize("major", ["3", "5"])
def test_ranks_that_relion_does_not_take_are_told(
    major: str, mpirun: str, because: str, make_project: MakeProject
) -> None:
    project = make_project(major, scheduler="local", refine={"ngpu": 0})
    change_site(project, mpi={"mpirun": ["bash", "-c", mpirun]})
    job = project.add_job("refine3d", **REFINE)

    project.run_job(job)

    assert project.status(job) == "Failed"
    assert because in ended(project, job)["reason"]


# Killed, stopped, aborted


@pytest.mark.parametrize("how_many", ["one", "all"])
def test_killed_ranks_are_told(how_many: str, make_project: MakeProject) -> None:
    project = make_project("5", scheduler="local", refine={"ngpu": 0})
    job = project.add_job("refine3d", **LONG)
    session = started(project, job)
    ranks = processes_of(session, "relion_refine_mpi", "relion_refine_m")
    assert len(ranks) == 3

    for rank in ranks if how_many == "all" else ranks[1:2]:
        os.kill(rank, signal.SIGKILL)

    assert "one of its processes was killed (signal 9)" in ended(project, job)["reason"]
    wait_for(lambda: not processes_of(session), 20, "the end of all its processes")


def test_a_killed_job_script_is_told(make_project: MakeProject) -> None:
    project = make_project("5", scheduler="local", refine={"ngpu": 0})
    job = project.add_job("refine3d", **LONG)
    session = started(project, job)

    os.kill(session, signal.SIGKILL)

    assert "its job script was killed" in ended(project, job)["reason"]
    wait_for(lambda: not processes_of(session), 20, "the end of all its processes")


@pytest.mark.parametrize("major", ["3", "5"])
def test_an_abort_in_relion_is_relions_own(major: str, make_project: MakeProject) -> None:
    project = make_project(major, scheduler="local", refine={"ngpu": 0})
    job = project.add_job("refine3d", **LONG)
    pipeliner = threading.Thread(target=project.run_job, args=(job,))
    pipeliner.start()
    wait_for_iterations(job)

    (job / "RELION_JOB_ABORT_NOW").touch()

    assert ended(project, job)["ending"] == "ABORTED"
    assert "exiting with an abort" in (job / "run.out").read_text()
    pipeliner.join(60)
    assert project.status(job) == "Aborted"


# Slurm


def test_a_cancelled_slurm_job_is_told(make_project: MakeProject) -> None:
    project = make_project("5")
    job = project.add_job("refine3d", **LONG)
    job_id = started(project, job)

    subprocess.run(["scancel", str(job_id)], check=True)

    assert "because it was cancelled in the scheduler" in ended(project, job)["reason"]


def test_a_time_limit_is_told_with_the_time_used(make_project: MakeProject) -> None:
    project = make_project("5", refine={"time": "00:02:00"})
    job = project.add_job("refine3d", **LONG)
    job_id = started(project, job)

    run = ended(project, job, 150)

    assert re.match(
        r"The job failed after 0:0[01]:\d\d, because it reached its time", run["reason"]
    )
    assert run["scheduler_job_id"] == str(job_id)
    assert run["host"] in ("gpu1", "gpu2")


def test_of_two_copies_in_slurm_one_runs(make_project: MakeProject) -> None:
    project = make_project("5")
    job = project.add_job("maskcreate", fn_in="reference.mrc", inimask_threshold=0.2)
    # A submit command that takes the job twice, as one that is tried again after a timeout does.
    twice = Path(project.environment["RELION_DISPATCH_SITE"]) / "sbatch_twice"
    twice.write_text('#!/bin/bash\nsbatch --hold "$@"\nsbatch --hold "$@"\n')
    twice.chmod(0o755)
    change_site(project, schedulers={"slurm": {"submit_command": [str(twice), "--parsable"]}})
    assert submit_directly(project, job).returncode == 0
    first = int(project.record(job)["job_id"])

    subprocess.run(["scontrol", "release", f"{first},{first + 1}"], check=True)

    wait_for(lambda: "run" in project.record(job), 60, "the end of the job")
    wait_for(
        lambda: "second copy of the job" in (job / "run.out").read_text(), 30, "the second's note"
    )
    assert [path.name for path in job.glob(EXIT_FILES)] == ["RELION_JOB_EXIT_SUCCESS"]
    assert (job / "run.out").read_text().count("relion-dispatch 0") == 1
    assert "relion-dispatch" not in (job / "run.err").read_text()


# Scratch and disks


LIVING, DEAD = "relion-dispatch.000000000001", "relion-dispatch.000000000002"


def on_nodes(*command: str) -> list[str]:
    """Run one of Slurm's commands; the words that it prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/tmp")
    return done.stdout.split()


@pytest.mark.parametrize("scheduler", ["local", "slurm"])
def test_particles_are_copied_to_a_scratch_folder_of_the_job(
    scheduler: str, make_project: MakeProject
) -> None:
    """In Slurm on two nodes, whose /tmp are their own."""
    types = {"nodes": 2, "ngpu": 1} if scheduler == "slurm" else {"ngpu": 0}
    project = make_project("3", scheduler=scheduler, refine=types)
    scratch = f"/tmp/relion-dispatch-test-{project.folder.parent.name}"
    job = project.add_job("refine3d", **REFINE, scratch_dir=scratch)
    sleeper = ""
    if scheduler == "slurm":  # folders of a job that runs, and of one that Slurm does not know
        sleeper = on_nodes("sbatch", "--parsable", "--wrap=sleep 300", "--output=/dev/null")[0]
        for name, owner in ((LIVING, sleeper), (DEAD, "999999")):
            make = f"mkdir -p {scratch}/{name} && echo gpu1 1 1 {owner} > {scratch}/{name}/owner"
            on_nodes("srun", "--nodes=2", "--ntasks-per-node=1", "sh", "-c", make)

    project.run_job(job)

    project.assert_succeeded(job)
    token = next(job.glob(".dispatch_claim.*")).name.rpartition(".")[2]
    assert f"{scratch}/relion-dispatch.{token}/" in (job / "run.out").read_text()
    if scheduler == "slurm":
        look = ("srun", "--nodes=2", "--ntasks-per-node=1", "ls", "-A", scratch)
        # RELION is told first, and the folders are removed then.
        wait_for(lambda: on_nodes(*look) == [LIVING, LIVING], 30, "the end of the job's folders")
        on_nodes("scancel", sleeper)
    else:
        assert list(Path(scratch).iterdir()) == []


def in_namespace(script: str, *command: str) -> list[str]:
    """Words that run a command after `script`, with mounts of its own, as the same user."""
    user, group = os.getuid(), os.getgid()
    again = f'exec unshare --user --map-user={user} --map-group={group} "$@"'
    return ["unshare", "-rm", "sh", "-ec", f"{script}\n{again}", "sh", *command]


@pytest.mark.parametrize("limit", ["size=600k", "nr_inodes=24"])
def test_a_disk_that_fills_up_while_the_job_runs(limit: str, make_project: MakeProject) -> None:
    """The job's folder is a small disk. RELION 5.1.0 does not notice that, and says SUCCESS."""
    project = make_project("5", scheduler="local", refine={"ngpu": 0})
    job = project.add_job("refine3d", **REFINE)
    # Inside of the namespace alone: the folder is looked at from there.
    script = f"""
cp -a {job} {job}.before
mount -t tmpfs -o {limit} none {job}
cp -a {job}.before/. {job}
"""
    look = (
        f"{project.hook} {job.parent.name}/{job.name}/run_submit.script; "
        f"for _ in $(seq 300); do ! ls {job}/{EXIT_FILES} 2>/dev/null || break; sleep 0.2; done; "
        f"sleep 2; ls {job}; tail -n 1 {job}/run.err"
    )

    done = subprocess.run(
        in_namespace(script, "sh", "-c", look),
        cwd=project.folder,
        env=project.environment,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert "RELION_JOB_EXIT_FAILURE" in done.stdout, done.stdout + done.stderr
    assert "RELION_JOB_EXIT_SUCCESS" not in done.stdout
    assert "because the disk is full" in done.stdout.splitlines()[-1]
