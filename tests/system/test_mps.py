"""NVIDIA's real control daemon around real refinements; only the GPU itself is missing here.

So no server starts behind the daemon, and the ranks do not use it; that it is there for them while
they run, and nowhere afterwards, is what is seen here.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..waiting import processes_of, wait_for, wait_for_end
from .hook_calls import submit_directly
from .jobs import LONG, REFINE
from .project import MakeProject, Project

# How the hook itself runs makes no difference on the node.
pytestmark = pytest.mark.parametrize("form", ["python"])

DAEMON = "nvidia-cuda-mps-control"


def daemons() -> set[int]:
    """The living control daemons of this user."""
    done = subprocess.run(
        ["ps", "-u", str(os.getuid()), "-o", "pid=,stat=,args="], capture_output=True, text=True
    )
    rows = [row.split(maxsplit=2) for row in done.stdout.splitlines()]
    return {
        int(pid)
        for pid, state, words in rows
        if not state.startswith("Z") and words.endswith(f"{DAEMON} -f")
    }


def mps_folder(daemon: int) -> Path:
    """A daemon's folder, from its environment."""
    for variable in Path(f"/proc/{daemon}/environ").read_text().split("\0"):
        name, _, value = variable.partition("=")
        if name == "CUDA_MPS_PIPE_DIRECTORY":
            return Path(value).parent
    raise AssertionError(f"{daemon} has no pipe folder")


def parent(pid: int) -> int:
    """A process's parent."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def keeper_of(session: int) -> int:
    """The keeper that a job script started: its only child in another session."""
    done = subprocess.run(
        ["ps", "-o", "pid=,sid=", "--ppid", str(session)], capture_output=True, text=True
    )
    rows = (map(int, row.split()) for row in done.stdout.splitlines())
    (keeper,) = (pid for pid, sid in rows if sid != session)
    return keeper


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    """After each test the daemons and folders are those from before it."""
    before = daemons(), set(Path("/tmp").glob("relion-mps.*"))
    yield
    wait_for(lambda: daemons() == before[0], 10, "the daemons' end")
    wait_for(lambda: set(Path("/tmp").glob("relion-mps.*")) == before[1], 5, "the folders' end")


@pytest.fixture
def mps_project(make_project: MakeProject) -> Callable[..., Project]:
    """A project whose refinements share one GPU between two followers, with the daemon on PATH."""

    def make(scheduler: str = "local", major: str = "5", **options: object) -> Project:
        refine = {"ngpu": 1, "nproc": 3, **options.pop("refine", {})}  # type: ignore[dict-item]
        project = make_project(major, scheduler=scheduler, refine=refine, **options)
        project.environment["PATH"] = f"{os.environ['RELION_TEST_MPS']}:{os.environ['PATH']}"
        return project

    return make


def add_stand_in_job(project: Project, command: str = "exit 0") -> Path:
    """Add a refinement that runs `command` where Apptainer would be: for what is not about RELION.

    RELION's own pipeliner, which adds the job, still runs in its container.
    """
    stand_in = project.folder / "apptainer"
    looks = 'while [[ " $* " == *" sh -c "* ]]; do [ "$1" != sh ] || exec "$@"; shift; done'
    stand_in.write_text(f'#!/bin/bash\n[[ " $* " == *" exec "* ]] || exit 1\n{looks}\n{command}\n')
    stand_in.chmod(0o755)
    site = Path(project.environment["RELION_DISPATCH_SITE"]) / "site.json"
    content = json.loads(site.read_text())
    real = {"program": os.environ["RELION_TEST_APPTAINER"]}
    site.write_text(json.dumps(content | {"apptainer": real}))
    job = project.add_job("refine3d", **REFINE)
    site.write_text(json.dumps(content | {"apptainer": {"program": str(stand_in)}}))
    return job


def start(project: Project, **options: object) -> tuple[Path, int]:
    """Start a refinement; returns its folder and its session once it runs with a daemon."""
    job = project.add_job("refine3d", **{**LONG, **options})
    before = daemons()
    done = submit_directly(project, job)
    assert done.returncode == 0, done.stderr
    wait_for(lambda: daemons() - before, 20, "the daemon's start")
    wait_for(lambda: "Expectation" in (job / "run.out").read_text(), 90, "the first iteration")
    return job, int(project.record(job)["job_id"])


def test_ranks_that_share_a_gpu_run_with_mps(mps_project: Callable[..., Project]) -> None:
    project = mps_project()
    job = project.add_job("refine3d", **REFINE)

    project.run_job(job)

    project.assert_succeeded(job)
    assert project.record(job)["mps"] is True
    assert "run without MPS" not in (job / "run.err").read_text()
    assert not list(job.glob("mps_log*"))


def kill_mpirun(session: int) -> None:
    (mpirun,) = processes_of(session, "prterun", "mpirun")
    os.kill(mpirun, signal.SIGKILL)


def kill_rank(session: int) -> None:
    os.kill(processes_of(session, "relion_refine_m")[-1], signal.SIGKILL)


def kill_keeper(session: int) -> None:
    os.kill(keeper_of(session), signal.SIGKILL)
    os.killpg(session, signal.SIGTERM)


def stop_job(session: int) -> None:
    os.killpg(session, signal.SIGTERM)


@pytest.mark.parametrize("fault", [kill_mpirun, kill_rank, kill_keeper, stop_job])
def test_a_job_that_is_hit_leaves_no_daemon(
    fault: Callable[[int], None], mps_project: Callable[..., Project]
) -> None:
    job, session = start(mps_project())
    assert daemons()

    fault(session)

    wait_for_end(job, "FAILURE", 30)
    wait_for(lambda: not processes_of(session), 30, "the end of all its processes")
    wait_for(lambda: list(job.glob("mps_log_*/daemon.log")), 5, "the daemon's log")


def test_a_daemon_that_is_killed_is_missed(mps_project: Callable[..., Project]) -> None:
    """Without a server behind it, the ranks do not notice, and the job succeeds."""
    project = mps_project()
    job = add_stand_in_job(project, "touch ranks; until [ -e go ]; do sleep 0.1; done")
    before = daemons()
    submit_directly(project, job)
    wait_for((project.folder / "ranks").exists, 20, "the ranks' start")

    (daemon,) = daemons() - before
    os.kill(daemon, signal.SIGKILL)
    (project.folder / "go").touch()

    wait_for_end(job, "SUCCESS", 20)
    assert re.search("MPS on .* ended before the job", (job / "run.err").read_text())
    assert list(job.glob("mps_log_*/daemon.log"))


def test_the_daemon_goes_with_a_job_script_that_is_killed(
    mps_project: Callable[..., Project],
) -> None:
    job, session = start(mps_project())

    os.kill(session, signal.SIGKILL)

    try:
        wait_for(lambda: not daemons(), 5, "the daemon's end")
        wait_for(lambda: list(job.glob("mps_log_*/daemon.log")), 5, "the daemon's log")
    finally:
        subprocess.run(["pkill", "-KILL", "-s", str(session)])


def test_what_a_dead_job_left_is_cleared_away_by_the_next(
    mps_project: Callable[..., Project],
) -> None:
    """The job script and its keeper are killed together, so that nobody of the job cleans up."""
    project = mps_project()
    dead = add_stand_in_job(project, "sleep 30")
    before = daemons()
    submit_directly(project, dead)
    wait_for(lambda: daemons() - before, 20, "the daemon's start")
    (daemon,) = daemons() - before
    folder = mps_folder(daemon)
    session = int(project.record(dead)["job_id"])
    wait_for(lambda: processes_of(session, "sleep"), 10, "the job's start")
    keeper = keeper_of(session)
    os.kill(keeper, signal.SIGSTOP)
    everything = {session, keeper, *processes_of(session)}
    subprocess.run(["kill", "-KILL", *map(str, everything)])  # some may be gone already
    wait_for(lambda: not processes_of(session), 5, "the job's death")
    assert daemon in daemons()
    assert folder.exists()
    job = add_stand_in_job(project)

    submit_directly(project, job)

    wait_for_end(job, "SUCCESS", 20)
    assert daemon not in daemons()
    assert not folder.exists()


def test_a_neighbour_on_the_node_keeps_its_daemon(mps_project: Callable[..., Project]) -> None:
    project = mps_project(scheduler="interactive")
    waits = f"until [ -e '{project.folder}/go' ]; do sleep 0.1; done"
    jobs = [add_stand_in_job(project, waits) for _ in range(2)]
    before = daemons()
    submit_directly(project, jobs[0])
    wait_for(lambda: daemons() - before, 20, "the daemon's start")
    (own,) = daemons() - before
    done = submit_directly(project, jobs[1])
    assert done.returncode == 0, done.stderr
    wait_for(lambda: len(daemons() - before) == 2, 8, f"{jobs[1].name}'s daemon's start")

    os.killpg(int(project.record(jobs[1])["job_id"]), signal.SIGTERM)

    wait_for(lambda: daemons() - before == {own}, 10, "the second daemon's end")
    asked = subprocess.run(
        [f"{os.environ['RELION_TEST_MPS']}/{DAEMON}"],
        input="get_server_list\n",
        text=True,
        env={"CUDA_MPS_PIPE_DIRECTORY": f"{mps_folder(own)}/pipe"},
    )
    assert asked.returncode == 0
    (project.folder / "go").touch()
    wait_for_end(jobs[0], "SUCCESS", 20)


def test_a_daemon_that_cannot_start_is_said_and_the_job_runs(
    mps_project: Callable[..., Project], tmp_path: Path
) -> None:
    """The real daemon, sent to a pipe folder that cannot be."""
    project = mps_project()
    program = tmp_path / "bin" / DAEMON
    program.parent.mkdir()
    real = f"{os.environ['RELION_TEST_MPS']}/{DAEMON}"
    program.write_text(f'#!/bin/bash\nCUDA_MPS_PIPE_DIRECTORY=/proc/nowhere exec {real} "$@"\n')
    program.chmod(0o755)
    project.environment["PATH"] = f"{program.parent}:{os.environ['PATH']}"
    job = project.add_job("refine3d", **REFINE)

    project.run_job(job)

    project.assert_succeeded(job)
    said = (job / "run.err").read_text()
    assert "run without MPS" in said
    assert "Cannot access CUDA_MPS_PIPE_DIRECTORY=/proc/nowhere" in said


def test_a_missing_daemon_is_said_and_the_job_runs(mps_project: Callable[..., Project]) -> None:
    project = mps_project()
    job = add_stand_in_job(project)
    project.environment["PATH"] = os.environ["PATH"]

    submit_directly(project, job)

    wait_for_end(job, "SUCCESS", 20)
    assert f"the program {DAEMON} is missing" in (job / "run.err").read_text()


def test_twenty_jobs_in_a_row_leave_nothing(mps_project: Callable[..., Project]) -> None:
    project = mps_project()
    first = add_stand_in_job(project, 'env | grep "^APPTAINERENV_CUDA_MPS_PIPE_DIRECTORY="')
    jobs = [first]
    for number in range(101, 120):
        job = first.with_name(f"job{number}")
        job.mkdir()
        for file in ("run_submit.script", "job.star"):
            text = (first / file).read_text()
            (job / file).write_text(text.replace(first.name, job.name))
        jobs.append(job)

    for job in jobs:
        assert submit_directly(project, job).returncode == 0

    for job in jobs:
        wait_for_end(job, "SUCCESS", 60)
    used = {re.findall("PIPE_DIRECTORY=(.*)", (job / "run.out").read_text())[0] for job in jobs}
    assert len(used) == 20


def test_each_of_two_nodes_has_a_daemon_and_as_many_followers(
    mps_project: Callable[..., Project],
) -> None:
    # Open MPI 6, in the 5.1.0 image, finds no route between two nodes that share an address.
    project = mps_project(scheduler="slurm", major="3", refine={"nodes": 2, "nproc": 5})
    job = project.add_job("refine3d", **REFINE)
    most = 0

    def ended() -> bool:
        nonlocal most
        most = max(most, len(daemons()))
        return any(job.glob("RELION_JOB_EXIT_*"))

    assert submit_directly(project, job).returncode == 0
    wait_for(ended, 120, "the end of the job")

    output = (job / "run.out").read_text()
    assert (job / "RELION_JOB_EXIT_SUCCESS").exists(), output + (job / "run.err").read_text()
    assert project.record(job)["mps"] is True
    assert most == 2
    assert "run without MPS" not in (job / "run.err").read_text()
    hosts = re.findall(r"(?:Slave|Follower)\s+\d+ runs on host\s*=\s*(\S+)", output)
    assert sorted(hosts) == ["gpu1", "gpu1", "gpu2", "gpu2"], output[:3000]
    nodes = Path(os.environ["SLURM_CONF"]).parent / "nodes"
    wait_for(lambda: not list(nodes.glob("*/tmp/relion-mps.*")), 15, "the folders' end")
    assert not list(job.glob("mps_log*"))


# The container, with a site's own options


def watch_the_container(project: Project, *options: str) -> Path:
    """Let the site have these options of Apptainer; returns where a look from inside is written.

    A script in Apptainer's place starts the real one: first a look, then the ranks.
    """
    looked = project.folder / "looked"
    program = project.folder / "apptainer"
    program.write_text(
        f"""#!/bin/bash
real={os.environ["RELION_TEST_APPTAINER"]}
words=()
for each in "$@"; do
    [ "$each" != mpirun ] || break
    words+=("$each")
done
if [ "${{#words[@]}}" -lt $# ]; then
    $real "${{words[@]}}" sh -c '
        [ ! -S "$CUDA_MPS_PIPE_DIRECTORY/control" ] || echo pipe
        echo "$CUDA_DEVICE_ORDER"
    ' > "{looked}"
fi
exec $real "$@"
"""
    )
    program.chmod(0o755)
    site = Path(project.environment["RELION_DISPATCH_SITE"]) / "site.json"
    content = json.loads(site.read_text())
    content["apptainer"] = {"program": str(program), "options": list(options)}
    site.write_text(json.dumps(content))
    return looked


@pytest.mark.parametrize("options", [(), ("--no-mount=tmp", "--scratch=/tmp"), ("--pid",)])
def test_the_container_sees_the_daemon_also_without_the_hosts_tmp(
    options: tuple[str, ...], mps_project: Callable[..., Project]
) -> None:
    project = mps_project()
    job = project.add_job("refine3d", **REFINE)
    looked = watch_the_container(project, *options)

    submit_directly(project, job)

    wait_for_end(job, "SUCCESS", 120)
    assert "run without MPS" not in (job / "run.err").read_text()
    assert looked.read_text().split() == ["pipe", "PCI_BUS_ID"]


@pytest.mark.parametrize("option", ["--ipc", "--contain"])
def test_a_container_that_does_not_share_the_hosts_memory_goes_without_mps(
    option: str, mps_project: Callable[..., Project]
) -> None:
    project = mps_project()
    job = project.add_job("refine3d", **REFINE)
    looked = watch_the_container(project, option)

    submit_directly(project, job)

    wait_for_end(job, "SUCCESS", 120)
    said = (job / "run.err").read_text()
    assert "the container has its own /dev/shm or IPC: take --ipc, --contain" in said
    assert "run without MPS" in said
    assert looked.read_text().split() == ["PCI_BUS_ID"]


def test_ranks_in_a_container_run_on_the_one_gpu_that_is_listed(
    mps_project: Callable[..., Project],
) -> None:
    """Two GPUs are planned. There is none: the list of a scheduler is simulated."""
    project = mps_project(refine={"ngpu": 2, "nproc": 5})
    project.environment["CUDA_VISIBLE_DEVICES"] = "3"
    job = project.add_job("refine3d", **REFINE)

    submit_directly(project, job)

    wait_for_end(job, "SUCCESS", 120)
    output = (job / "run.out").read_text()
    assert "with 3 instead of 5 ranks, on 1 instead of 2 GPUs: its node " in output
    assert len(re.findall(r"Follower\s+\d+ runs on host", output)) == 2, output[:3000]
