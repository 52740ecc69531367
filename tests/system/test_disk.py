"""Disks that are full or read-only, made real with a mount namespace of the test's own."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .project import MakeProject, Project


def dispatch_after(project: Project, job: Path, mount: str) -> subprocess.CompletedProcess[str]:
    """Run the shell text `mount` in a mount namespace, then the hook, then show the job folder."""
    name = f"{job.parent.name}/{job.name}"
    script = f"""
set -e
job={name}
{mount}
set +e
"{project.hook}" "$job/run_submit.script"
echo "status $?"
ls -1 "$job"
cat "$job/run.err" 2>/dev/null
"""
    return subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "bash", "-c", script],
        cwd=project.folder,
        env=project.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_read_only_job_folder_is_said(make_project: MakeProject) -> None:
    project = make_project("5", scheduler="local")
    job = project.add_job("maskcreate", fn_in="reference.mrc")

    done = dispatch_after(
        project, job, 'mount --bind "$job" "$job"; mount -o remount,bind,ro "$job"'
    )

    assert "status 1" in done.stdout, done.stdout + done.stderr
    assert "run_submit.script.run" not in done.stdout
    assert "Read-only file system" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_is_refused_and_relion_is_told(make_project: MakeProject) -> None:
    project = make_project("5", scheduler="local")
    job = project.add_job("maskcreate", fn_in="reference.mrc")

    done = dispatch_after(
        project,
        job,
        'cp -a "$job" /tmp/job.$$; mount -t tmpfs -o size=64k tmpfs "$job"; '
        'cp -a /tmp/job.$$/. "$job"; rm -rf /tmp/job.$$; '
        'dd if=/dev/zero of="$job/filler" bs=4k 2>/dev/null || true',
    )

    assert "status 1" in done.stdout, done.stdout + done.stderr
    assert "RELION_JOB_EXIT_FAILURE" in done.stdout
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert "submitted" not in done.stdout
