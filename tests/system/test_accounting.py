"""Two real clusters with real accounting: `home`, where RELION runs, and `far`, which has the jobs.

slurm_accounting.sh starts munged, MariaDB and slurmdbd for both. A cluster forgets a job some
seconds after its end; both give ids of their own, from 1.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..waiting import wait_for, wait_for_end
from .hook_calls import change_scheduler, dispatch, processes_in_slurm, sleeping, submitted
from .jobs import mask_job
from .project import MakeProject, Project
from .test_doctor import doctor

pytestmark = pytest.mark.parametrize("form", ["python"])

HOME = {**os.environ, "SLURM_CONF": f"{os.environ.get('RELION_TEST_CLUSTERS')}/home/slurm.conf"}
FAR = ["sbatch", "--parsable", "--clusters=far"]


def slurm(*command: str) -> str:
    """What a command of Slurm's prints at home, with its errors."""
    done = subprocess.run(command, env=HOME, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


@pytest.fixture
def project(make_project: MakeProject) -> Project:
    """A project at home, whose site names the cluster `far` in its submit command alone."""
    made = make_project("5")
    made.environment["SLURM_CONF"] = HOME["SLURM_CONF"]
    change_scheduler(made, submit_command=FAR)
    return made


def row(project: Project) -> dict[str, Any]:
    (found,) = json.loads(dispatch(project, "status", "--json"))
    return dict(found)


def forgotten(number: int | str, cluster: str = "far") -> bool:
    show = ["scontrol", "show", "job", str(number), f"--clusters={cluster}"]
    return "Invalid job id" in slurm(*show)


def test_a_job_of_another_cluster_succeeds(project: Project) -> None:
    job = mask_job(project)

    project.run_job(job)

    project.assert_succeeded(job)
    record = project.record(job)
    assert record["cluster"] == "far"
    watcher = record["watcher"]["job_id"]
    queue = ["squeue", "--noheader", f"--jobs={watcher}", "--format=%T", "--clusters=far"]
    wait_for(lambda: "PENDING" not in slurm(*queue), 20, "the end of the watcher on that cluster")


def test_it_is_seen_and_cancelled_there(project: Project) -> None:
    job, number = sleeping(project)

    found = row(project)

    assert (found["state"], found["cluster"], found["relion"]) == ("RUNNING", "far", "Running")
    assert "JobState=RUNNING" in slurm("scontrol", "show", "job", str(number), "--clusters=far")
    assert dispatch(project, "cancel", f"{job.parent.name}/{job.name}").endswith("aborted\n")
    assert (job / "RELION_JOB_EXIT_ABORTED").exists()


def test_its_watcher_tells_what_became_of_it_there(project: Project) -> None:
    change_scheduler(project, submit_command=[*FAR, "--hold"])
    job = mask_job(project)
    number = submitted(project, job)
    wait_for(lambda: project.record(job).get("watcher"), 30, "the watcher")

    slurm("scancel", str(number), "--clusters=far")

    wait_for((job / "RELION_JOB_EXIT_FAILURE").exists, 60, "the watcher's word")
    assert "because it was cancelled in the queue" in (job / "run.err").read_text()


def test_status_asks_the_accounting_for_a_job_that_slurm_has_forgotten(project: Project) -> None:
    change_scheduler(project, submit_command=[*FAR, "--hold"], watcher=None)
    job = mask_job(project)
    number = submitted(project, job)
    slurm("scancel", str(number), "--clusters=far")
    wait_for(lambda: forgotten(number), 90, "the end of Slurm's memory")

    assert row(project)["relion"] == "Failed"

    said = (job / "run.err").read_text()
    assert "because it was cancelled in the queue" in said
    assert "JobState=CANCELLED, ExitCode=0:0" in said


def test_the_watcher_asks_the_accounting_for_a_job_that_slurm_has_forgotten(
    project: Project,
) -> None:
    late = ["sbatch", "--parsable", "--hold", "--job-name=late", "--output=/dev/null"]
    change_scheduler(project, submit_command=[*FAR, "--hold"], watcher={"submit_command": late})
    job = mask_job(project)
    number = submitted(project, job)
    wait_for(lambda: project.record(job).get("watcher"), 30, "the watcher")
    slurm("scancel", str(number), "--clusters=far")
    wait_for(lambda: forgotten(number), 90, "the end of Slurm's memory")

    slurm("scontrol", "release", project.record(job)["watcher"]["job_id"], "--clusters=far")

    wait_for((job / "RELION_JOB_EXIT_FAILURE").exists, 60, "the watcher's word")
    assert "because it was cancelled in the queue" in (job / "run.err").read_text()


def test_a_cluster_that_does_not_answer_is_no_proof_of_an_end(project: Project) -> None:
    job, _ = sleeping(project)
    environment = project.environment["SLURM_CONF"]
    folder = project.folder.parent / "no-database"
    folder.mkdir()
    text = Path(environment).read_text()
    (folder / "slurm.conf").write_text(
        re.sub(r"^(AccountingStoragePort=).*$", r"\g<1>1", text, flags=re.MULTILINE)
    )
    (folder / "gres.conf").write_text(Path(environment).with_name("gres.conf").read_text())
    project.environment["SLURM_CONF"] = str(folder / "slurm.conf")

    found = row(project)

    assert (found["relion"], found["state"]) == ("Running", None)
    assert not list(job.glob("RELION_JOB_EXIT_*"))
    project.environment["SLURM_CONF"] = environment
    dispatch(project, "cancel", f"{job.parent.name}/{job.name}")


def test_a_job_whose_submission_was_cut_off_is_found_on_its_cluster(project: Project) -> None:
    program = project.folder.parent / "sbatch-wrapper"
    program.write_text('#!/bin/bash\nsbatch "$@" >&2\necho Danke\n')
    program.chmod(0o755)
    change_scheduler(project, submit_command=[str(program), *FAR[1:]], watcher=None)
    job = mask_job(project)

    submitted(project, job)

    record = project.record(job)
    assert record["cluster"] == "far"
    assert "named no job id" in record["attempts"][0]
    wait_for_end(job, "SUCCESS", 60)


def test_the_doctor_meets_its_jobs_on_the_cluster_that_takes_them(project: Project) -> None:
    found = doctor(project, "--partition", "gpu")

    for check in ("start", "token", "accounting", "watcher"):
        assert found[check]["status"] == "ok", found[check]
    assert "JobState=COMPLETED" in found["accounting"]["sentence"]


SLEEP = 60  # seconds, of which a job script needs less than 5 % before and after its program


def test_the_report_has_the_gpu_hours_of_the_accounting(make_project: MakeProject) -> None:
    """And those of the jobs' own records are within 5 % of these."""
    project = make_project("5", external={"ngpu": 2})
    project.environment["SLURM_CONF"] = HOME["SLURM_CONF"]
    change_scheduler(project, submit_command=FAR)
    program = project.folder / "program"
    program.write_text(f"#!/bin/bash\nsleep {SLEEP}\n")
    program.chmod(0o755)
    first, second = (project.add_job("external", fn_exe=str(program)) for _ in range(2))
    for job in (first, second):
        submitted(project, job)
    cancelled, _ = sleeping(project)
    dispatch(project, "cancel", f"{cancelled.parent.name}/{cancelled.name}")
    for job in (first, second):
        wait_for_end(job, "SUCCESS", 3 * SLEEP)
        wait_for(lambda job=job: project.record(job).get("run"), 30, "the end of the job's script")
    ids = ",".join(project.record(job)["job_id"] for job in (first, second, cancelled))
    wait_for(lambda: len(accounted(ids)) == 3, 60, "the accounting's last word")

    found = json.loads(dispatch(project, "report", "--json", str(project.folder)))

    in_accounting = sum(accounted(ids)) / 3600
    assert in_accounting >= 2 * 2 * SLEEP / 3600
    assert found["jobs_by_accounting"] == 3
    assert found["total"]["gpu_hours"] == pytest.approx(in_accounting, rel=0.05)
    assert found["total"]["outcomes"] == {"aborted": 1, "succeeded": 2}
    assert [each["partition"] for each in found["waiting_seconds"]] == ["gpu"]
    command = ["report", "--json", "--no-accounting", str(project.folder)]
    own = json.loads(dispatch(project, *command))
    assert own["jobs_by_accounting"] == 0
    assert own["total"]["gpu_hours"] == pytest.approx(in_accounting, rel=0.05)


def accounted(ids: str) -> list[int]:
    """The GPU-seconds of the jobs that have ended, as sacct tells them."""
    columns = "--format=State,ElapsedRaw,AllocTRES"
    shown = ["--allocations", "--noheader", "--parsable2", "--clusters=far", columns]
    rows = [line.split("|") for line in slurm("sacct", f"--jobs={ids}", *shown).splitlines()]
    ended = [row for row in rows if row[0] == "COMPLETED" or row[0].startswith("CANCELLED")]
    numbers = [re.search(r"gres/gpu=(\d+)", row[2]) for row in ended]
    return [int(row[1]) * int(gpu[1]) for row, gpu in zip(ended, numbers, strict=True) if gpu]


@pytest.fixture
def federation() -> Iterator[None]:
    """Both clusters as one federation, with no free node at home: jobs run on their sibling."""
    slurm("sacctmgr", "-i", "add", "federation", "both", "clusters=home,far")
    wait_for(lambda: "Synced:Yes" in slurm("scontrol", "show", "federation"), 30, "the federation")
    slurm("scontrol", "update", "nodename=gpu[1-2]", "state=drain", "reason=test")
    try:
        yield
    finally:
        slurm("scontrol", "update", "nodename=gpu[1-2]", "state=resume")
        slurm("sacctmgr", "-i", "delete", "federation", "both")


@pytest.mark.usefixtures("federation")
def test_a_job_that_a_sibling_of_the_federation_runs_is_seen_and_cancelled(
    project: Project,
) -> None:
    """Its own cluster has the job as REVOKED, which was taken for an end."""
    change_scheduler(project, submit_command=FAR[:2])
    job, number = sleeping(project)
    assert "JobState=REVOKED" in slurm("scontrol", "show", "job", str(number))

    assert row(project)["state"] == "RUNNING"

    assert not list(job.glob("RELION_JOB_EXIT_*"))
    assert dispatch(project, "cancel", f"{job.parent.name}/{job.name}").endswith("aborted\n")
    assert (job / "RELION_JOB_EXIT_ABORTED").exists()


@pytest.mark.usefixtures("federation")
def test_the_end_of_a_job_that_a_sibling_ran_is_told(project: Project) -> None:
    change_scheduler(project, submit_command=FAR[:2], watcher=None)
    job, number = sleeping(project)
    cluster = Path(HOME["SLURM_CONF"]).parents[1] / "far"

    # All at once, as memory that is used up may end it: its script tells nothing.
    subprocess.run(["kill", "-KILL", *map(str, processes_in_slurm(number, cluster))])

    wait_for(lambda: row(project)["relion"] == "Failed", 120, "the end of the job")
    said = (job / "run.err").read_text()
    assert "The job ended before its script could report the end, because it was killed (s" in said
    assert "ExitCode=0:9" in said  # the sibling's, which the job's own cluster has been told
