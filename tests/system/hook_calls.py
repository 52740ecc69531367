"""Calls of the hook and of relion-dispatch as RELION and its users make them, and jobs for them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ..waiting import wait_for, wait_for_end
from .jobs import LONG, mark_running, sleeping_job, wait_for_iterations
from .project import Project

PYTHON = pytest.mark.parametrize("form", ["python"])
REAL = shutil.which("sbatch")


def change_site(project: Project, **settings: Any) -> None:
    """Lay settings upon the project's site.json."""
    path = Path(project.environment["RELION_DISPATCH_SITE"]) / "site.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))


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
    wait_for_end(job, "SUCCESS", 60)
    record = project.record(job)
    assert copies_in_slurm(record["token"]) == [record["job_id"]]
    assert (job / "run.out").read_text().count("relion-dispatch ") == 1


def run_in_background(project: Project, job: Path) -> subprocess.Popen[bytes]:
    """Let RELION's pipeliner run the job; it ends when RELION knows the job's end."""
    return subprocess.Popen(
        [
            project.command,
            "relion",
            "relion_pipeliner",
            "--RunJobs",
            f"{job.parent.name}/{job.name}/",
            "--schedule",
            f"test{job.name}",
            "--sec_wait_after",
            "1",
        ],
        cwd=project.folder,
        env=project.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def job_id(project: Project, job: Path) -> str:
    """The id of the submitted job, once it is in the record."""

    def known() -> bool:
        file = job / "dispatch.json"
        return file.exists() and json.loads(file.read_text())["job_id"] is not None

    wait_for(known, 60, "the submission")
    return str(project.record(job)["job_id"])


def in_queue(job: str) -> bool:
    listed = ["squeue", "--me", "--noheader", "--format=%i"]
    return job in subprocess.run(listed, capture_output=True, text=True).stdout.split()


def submit_directly(project: Project, job: Path) -> subprocess.CompletedProcess[str]:
    """Call the hook on the host, as a RELION outside any container would."""
    return subprocess.run(
        [project.hook, f"{job.parent.name}/{job.name}/run_submit.script"],
        cwd=project.folder,
        env=project.environment,
        capture_output=True,
        text=True,
    )


def submitted(project: Project, job: Path) -> str:
    """Call the hook for a job that RELION has as Running; the job's id."""
    mark_running(project, job)
    hook = start_hook(project, job)
    output, _ = hook.communicate(timeout=60)
    assert hook.returncode == 0, output
    return job_id(project, job)


def sleeping(project: Project) -> tuple[Path, str]:
    """A job whose program sleeps, when it has begun to; and its id."""
    ready = project.folder / "ready"
    job = sleeping_job(project, ready)
    number = submitted(project, job)
    wait_for(ready.exists, 60, "the program's start")
    return job, number


def refining(project: Project) -> tuple[Path, str]:
    """A refinement that has begun to iterate, and its id."""
    job = project.add_job("refine3d", **LONG)
    number = submitted(project, job)
    wait_for_iterations(job)
    return job, number


def processes_in_slurm(number: str, cluster: Path | None = None) -> list[int]:
    """The processes of a job's batch step: the job script first, then what it has started. The
    folder of the cluster is that of SLURM_CONF if not given."""
    cluster = cluster or Path(os.environ["SLURM_CONF"]).parent
    spool = f"{cluster}/nodes/.*/job{int(number):05}/slurm_script"
    shell = subprocess.check_output(["pgrep", "-o", "-f", spool], text=True).strip()
    session = subprocess.check_output(["ps", "-o", "sid=", "-p", shell], text=True).strip()
    everything = subprocess.check_output(
        ["pgrep", "-u", str(os.getuid()), "-s", session], text=True
    ).split()
    return [int(pid) for pid in (shell, *(pid for pid in everything if pid != shell))]
