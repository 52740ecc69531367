"""Disks that are full, made real with tmpfs in a mount namespace of the test's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from ...waiting import wait_for
from ..hook_calls import start_hook
from ..jobs import REFINE, mark_running, mask_job
from ..project import MakeProject, Project
from .conftest import Watched
from .observation import EXIT_FILES, exit_file
from .small_disk import leave_room, move_to_small_ext4


def run_with(mounts: str, project: Project, job: Path) -> None:
    """Run the job with these mounts, and bring what was in its folder out of the namespace."""
    after = job.with_name("after")
    script = f"""
set -e
job={job}
{mounts}
user="unshare --user --map-user={os.getuid()} --map-group={os.getgid()}"
$user {project.hook} {job.parent.name}/{job.name}/run_submit.script || true
for _ in $(seq 300); do ! ls $job/{EXIT_FILES} 2>/dev/null || break; sleep 0.2; done
id=$(sed -n 's/^  "job_id": "\\([0-9]*\\)".*/\\1/p' $job/dispatch.json || true)
while [ -n "$id" ] && ps -o stat= --sid "$id" | grep -qv '^Z'; do sleep 0.2; done
cp -a $job {after}
"""
    subprocess.run(
        ["unshare", "-rm", "sh", "-c", script],
        cwd=project.folder,
        env=project.environment,
        capture_output=True,
        timeout=120,
        check=True,
    )
    shutil.rmtree(job)
    after.rename(job)


def small_disk(options: str) -> str:
    """Shell text that puts the job's folder on a disk of its own."""
    return f"cp -a $job /tmp/before.$$; mount -t tmpfs -o {options} none $job; " + (
        "cp -a /tmp/before.$$/. $job; rm -rf /tmp/before.$$"
    )


FILL = "dd if=/dev/zero of=$job/filler bs=4k 2>/dev/null || true"


def test_full_at_submission(make_project: MakeProject, sees: Watched) -> None:
    project = make_project("5", scheduler="local")
    job = mask_job(project)
    mark_running(project, job)
    began = time.time()

    run_with(f"{small_disk('size=64k')}; {FILL}", project, job)

    fault = "disk of the job's folder is full at submission"
    # run.err has no room either: the sentence goes to the hook's standard error alone.
    sees(fault, project, job, since=began, end="Failed", says=None)


@pytest.mark.parametrize(
    ("fault", "limit"),
    [
        ("disk of the job's folder fills up while it runs", "size=600k"),
        ("disk of the job's folder has no room for more files", "nr_inodes=24"),
    ],
)
def test_full_while_it_runs(
    fault: str, limit: str, make_project: MakeProject, sees: Watched
) -> None:
    """RELION 5.1.0 does not notice that, and says SUCCESS."""
    project = make_project("5", scheduler="local", refine={"ngpu": 0})
    job = project.add_job("refine3d", **REFINE)
    mark_running(project, job)

    run_with(small_disk(limit), project, job)

    last = max(file.stat().st_mtime for file in job.glob("run_it*"))
    says = "because the disk is full"
    sees(fault, project, job, since=last, end="Failed", says=says)


NO_INODES = 'while touch "$job/filler.$((n += 1))" 2>/dev/null; do :; done'


def test_no_file_can_be_made_at_submission(make_project: MakeProject, sees: Watched) -> None:
    project = make_project("5", scheduler="local")
    job = mask_job(project)
    mark_running(project, job)
    began = time.time()

    run_with(f"{small_disk('nr_inodes=40')}; n=0; {NO_INODES}", project, job)

    fault = "no file can be made at submission (tmpfs without inodes)"
    sees(fault, project, job, since=began, end="Failed", says=None)
    assert not (job / "run_submit.script").exists(), "it has become the exit file"


def test_no_new_file_at_submission(make_project: MakeProject, sees: Watched) -> None:
    project = make_project("5", scheduler="local")
    job = mask_job(project)
    mark_running(project, job)
    folder = move_to_small_ext4(job)
    leave_room(files=0)
    began = time.time()

    assert start_hook(project, job).wait(60) == 1

    fault = "no file can be made at submission (ext4 without inodes)"
    sees(fault, project, job, since=began, end="Failed", says=None)
    assert (folder / "RELION_JOB_EXIT_FAILURE").samefile(folder / "run_submit.script")


def test_no_new_file_while_it_runs(make_project: MakeProject, sees: Watched) -> None:
    project = make_project("5", scheduler="local", refine={"ngpu": 0})
    job = project.add_job("refine3d", **REFINE)
    mark_running(project, job)
    folder = move_to_small_ext4(job)
    leave_room(files=18)

    hook = start_hook(project, job)
    printed, _ = hook.communicate(timeout=60)
    assert hook.returncode == 0, printed
    wait_for(lambda: exit_file(folder), 120, "the end of the job")

    last = max(file.stat().st_mtime for file in job.glob("run_it*"))
    fault = "no file can be made while it runs (ext4 without inodes)"
    sees(fault, project, job, since=last, end="Failed", says="because the disk is full")


def test_full_scratch(make_project: MakeProject, sees: Watched) -> None:
    project = make_project("5", scheduler="local", refine={"ngpu": 0})
    scratch = project.folder / "scratch"
    scratch.mkdir()
    job = project.add_job("refine3d", **REFINE, scratch_dir=scratch)
    mark_running(project, job)
    began = time.time()

    full = f"mount -t tmpfs -o size=16k none {scratch}; "
    fill = f"dd if=/dev/zero of={scratch}/filler bs=4k 2>/dev/null || true"
    run_with(full + fill, project, job)

    says = "scratch"
    sees("scratch disk full", project, job, since=began, end="Failed", says=says, scratch=scratch)
