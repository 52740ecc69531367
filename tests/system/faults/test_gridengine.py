"""What becomes of jobs on a real Grid Engine when something goes wrong."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from ...waiting import wait_for
from ..gridengine_site import (
    MakeGridEngine,
    accounted,
    change_gridengine,
    in_queue,
    on_gridengine_site,
    queue_says,
)
from ..hook_calls import refining, sleeping, start_hook, submitted
from ..jobs import mark_running, mask_job
from ..project import MakeProject, Project
from .conftest import Watched

CLUSTER = Path(os.environ.get("SGE_ROOT", "/nowhere")).parent


@pytest.fixture
def on_gridengine(make_project: MakeProject) -> MakeGridEngine:
    """Make a project on the site of the test cluster with Grid Engine."""
    return on_gridengine_site(make_project)


def wrap_qsub(project: Project, body: str) -> Path:
    """Put a wrapper of the site's before qsub; the job's own submission runs `body`."""
    program = project.folder.parent / "wrapper"
    real = f'real() {{ {shutil.which("qsub")} -terse "$@"; }}'
    program.write_text(f"#!/bin/bash\n{real}\necho x >>'{program}.calls'\n{body}\n")
    program.chmod(0o755)
    change_gridengine(project, submit_command=[str(program)])
    return program


def calls(program: Path) -> int:
    return len(Path(f"{program}.calls").read_text().splitlines())


def processes(number: int) -> list[int]:
    """The processes of a job that this user may end, the job's script first."""
    script = f"{CLUSTER}/root/default/spool/execd/.*/job_scripts/{number}$"
    shell = subprocess.check_output(["pgrep", "-o", "-f", script], text=True).split()
    listed = subprocess.check_output(["ps", "-u", str(os.getuid()), "-o", "pid="], text=True)
    found = []
    for pid in listed.split():
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"JOB_ID={number}".encode() in environment and pid not in shell:
            found.append(int(pid))
    return [*map(int, shell), *found]


def test_a_waiting_job_is_deleted(on_gridengine: MakeGridEngine, sees: Watched) -> None:
    """Nobody looks: it is the watcher that tells. A job that never ran has no accounting."""
    project = on_gridengine()
    change_gridengine(project, submit_command=["qsub", "-terse", "-h"])
    job = mask_job(project)
    number = submitted(project, job)

    began = time.time()
    subprocess.run(["qdel", str(number)], check=True)

    fault = "qdel of a waiting job, Grid Engine"
    sees(fault, project, job, since=began, end="Failed", says="deleted before it ran", within=60)


def test_a_running_job_is_deleted(on_gridengine: MakeGridEngine, sees: Watched) -> None:
    project = on_gridengine()
    job, number = refining(project)
    watcher = project.record(job)["watcher"]["job_id"]
    assert in_queue(watcher)

    began = time.time()
    subprocess.run(["qdel", str(number)], check=True)

    says = "because it was cancelled in the scheduler"
    sees("qdel of a running job, Grid Engine", project, job, since=began, end="Failed", says=says)
    wait_for(lambda: not in_queue(watcher), 30, "the end of the watcher")


def test_a_time_limit(on_gridengine: MakeGridEngine, sees: Watched) -> None:
    project = on_gridengine(time="00:00:20")
    job, _ = sleeping(project)

    limit = (project.folder / "ready").stat().st_mtime + 20
    fault = "time limit (of 20 s), Grid Engine"
    says = "because it reached its time limit"
    sees(fault, project, job, since=limit, end="Failed", says=says)


def test_a_time_limit_that_nobody_warns_of(on_gridengine: MakeGridEngine, sees: Watched) -> None:
    """A script that heeds no signal is killed, and the watcher reads the accounting."""
    project = on_gridengine(time="00:00:20")
    job, number = sleeping(project)
    subprocess.run(["kill", "-STOP", *map(str, processes(number))], check=True)

    limit = (project.folder / "ready").stat().st_mtime + 20
    fault = "time limit (of 20 s) of a script that hangs, Grid Engine"
    says = "because it reached its time limit"
    sees(fault, project, job, since=limit, end="Failed", says=says, within=60)


@pytest.mark.parametrize(
    ("fault", "how_many"),
    [
        ("kill -9 of the batch shell, Grid Engine", 1),
        ("kill -9 of the whole job, Grid Engine", None),
    ],
)
def test_a_grid_engine_job_is_killed(
    fault: str, how_many: int | None, on_gridengine: MakeGridEngine, sees: Watched
) -> None:
    """Grid Engine ends what a script leaves: nobody is left of the job to tell more."""
    project = on_gridengine()
    job, number = sleeping(project)
    found = processes(number)
    assert len(found) > 3

    began = time.time()
    subprocess.run(["kill", "-KILL", *map(str, found[:how_many])])  # a pause may be over

    says = "it was killed (signal KILL)"
    sees(fault, project, job, since=began, end="Failed", says=says, within=60)


@pytest.mark.parametrize("status", [99, 100])
def test_a_program_ends_with_a_status_that_has_a_meaning(
    status: int, on_gridengine: MakeGridEngine, sees: Watched
) -> None:
    project = on_gridengine()
    program = project.folder / "program"
    program.write_text(f"#!/bin/bash\ndate +%s\nexit {status}\n")
    program.chmod(0o755)
    job = project.add_job("external", fn_exe=str(program))
    number = submitted(project, job)
    accounted(number)

    began = int(re.findall(r"^\d{10}$", (job / "run.out").read_text(), re.MULTILINE)[0])
    fault = "a program ends with status 99 or 100, Grid Engine"
    says = f"ended with status {status}"
    sees(fault, project, job, since=began, end="Failed", says=says)
    assert not in_queue(number)
    assert len(re.findall(r"^\d{10}$", (job / "run.out").read_text(), re.MULTILINE)) == 1


def test_a_clear_refusal(on_gridengine: MakeGridEngine, sees: Watched) -> None:
    project = on_gridengine()
    change_gridengine(project, submit_command=["qsub", "-terse", "-l", "gpu=77"])
    job = mask_job(project)
    mark_running(project, job)
    began = time.time()

    assert start_hook(project, job).wait(60) == 1

    fault = "submit command refuses what can never run, Grid Engine"
    seen = sees(fault, project, job, since=began, end="Failed", says="no suitable queues")
    assert seen.recorded == "no job"


def test_a_submission_that_lies(on_gridengine: MakeGridEngine, sees: Watched) -> None:
    project = on_gridengine()
    body = 'real "$@" >/dev/null; echo "error: commlib error: got read error" >&2; exit 1'
    qsub = wrap_qsub(project, body)
    job = mask_job(project)
    mark_running(project, job)
    began = time.time()

    assert start_hook(project, job).wait(60) == 0

    fault = "submit command lies: prints an error, yet takes the job, Grid Engine"
    sees(fault, project, job, since=began, end="Succeeded")
    assert calls(qsub) == 1


def test_the_master_is_down_for_a_while(on_gridengine: MakeGridEngine, sees: Watched) -> None:
    """For the first attempt, whose qsub asks at a port where nobody listens."""
    project = on_gridengine()
    down = (
        f"[ $(wc -l <'{project.folder.parent}/wrapper.calls') -gt 1 ] || export SGE_QMASTER_PORT=1"
    )
    qsub = wrap_qsub(project, f'{down}; real "$@"')
    job = mask_job(project)
    mark_running(project, job)
    began = time.time()

    assert start_hook(project, job).wait(120) == 0

    fault = "master down at first during submission, Grid Engine"
    sees(fault, project, job, since=began, end="Succeeded")
    assert calls(qsub) == 2
    assert "commlib error" in project.record(job)["attempts"][0]


@pytest.mark.parametrize("waits", [True, False])
def test_an_abort(waits: bool, on_gridengine: MakeGridEngine, sees: Watched) -> None:
    project = on_gridengine()
    if waits:
        change_gridengine(project, submit_command=["qsub", "-terse", "-h"])
        job = mask_job(project)
        number = submitted(project, job)
        fault, says = "abort while it waits, Grid Engine", "aborted in RELION before it started"
    else:
        job, number = refining(project)
        fault, says = "abort while it runs, Grid Engine", "The job was aborted in RELION after"
    began = time.time()

    (job / "RELION_JOB_ABORT_NOW").touch()
    if waits:
        subprocess.run(["qrls", str(number)], check=True)

    sees(fault, project, job, since=began, end="Aborted", says=says)


def operator(request: str) -> None:
    """Ask the test cluster for what only root can do to a node."""
    descriptor = os.open(CLUSTER / "run" / "operator", os.O_WRONLY | os.O_NONBLOCK)
    os.write(descriptor, f"{request}\n".encode())
    os.close(descriptor)


def test_a_node_is_lost(on_gridengine: MakeGridEngine, sees: Watched) -> None:
    """Grid Engine says so when the node is back: until then the job may still run there.

    Whatever else runs on the node is lost with it: no other test may run beside this one.
    """
    project = on_gridengine()
    job, number = sleeping(project)
    wait_for(lambda: queue_says(number) == "r", 30, "the job's state in the queue")
    try:
        operator("lose node1")
        wait_for(lambda: not processes_left(number), 20, "the end of the node")
        time.sleep(12)  # longer than the master waits for a sign of life
        assert queue_says(number) == "r"
        assert not list(job.glob("RELION_JOB_EXIT_*"))
    finally:
        operator("return node1")
    wait_for(lambda: not in_queue(number), 60, "the master's notice")
    noticed = time.time()

    fault = "node lost, with all its processes, and returned, Grid Engine"
    sees(fault, project, job, since=noticed, end="Failed", says="its node was lost", within=60)


def processes_left(number: int) -> bool:
    script = f"{CLUSTER}/root/default/spool/execd/.*/job_scripts/{number}$"
    return subprocess.run(["pgrep", "-f", script], capture_output=True).returncode == 0
