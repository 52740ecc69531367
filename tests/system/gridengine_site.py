"""Projects on the site of the test cluster with Grid Engine, and what Grid Engine knows of jobs."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from ..waiting import wait_for
from .hook_calls import change_site
from .project import MakeProject, Project

__all__ = [
    "MakeGridEngine",
    "accounted",
    "ask_operator",
    "asked",
    "change_gridengine",
    "in_queue",
    "lose_sight_of_node",
    "on_gridengine_site",
    "queue_says",
]  # fmt: skip

MakeGridEngine = Callable[..., Project]


def on_gridengine_site(make_project: MakeProject) -> MakeGridEngine:
    """Makes projects on the site of gridengine_configuration.sh."""

    def make(name: str = "project", **parameters: object) -> Project:
        project = make_project("5", scheduler="gridengine", name=name)
        partitions = {
            "gpu.q": {"cores": 32, "gpus": 4, "gpu_memory": "32G", "memory": "250G"},
            "cpu.q": {"cores": 32, "gpus": 0, "memory": "250G"},
        }
        change_site(
            project,
            partitions=partitions,
            schedulers={"gridengine": {"names": {"memory": "ram"}}},
            job_parameters={
                "submit": {"partition": "cpu.q", "mem": "3G", "time": "1:00:00", **parameters},
                "gpu": {"partition": "gpu.q", "nproc": 3, "nthread": 1, "ngpu": 2},
                "refine": {"mem": "3G"},
            },
        )
        return project

    return make


def change_gridengine(project: Project, **keys: object) -> None:
    """Lay keys upon the scheduler of the project's site."""
    path = Path(project.environment["RELION_DISPATCH_SITE"]) / "site.json"
    content = json.loads(path.read_text())
    content["schedulers"]["gridengine"] |= keys
    path.write_text(json.dumps(content))


def queue_says(number: object) -> str | None:
    """The state of a job in the queue; None for none."""
    listed = subprocess.run(["qstat"], capture_output=True, text=True, check=True).stdout
    rows = (line.split() for line in listed.splitlines())
    return next((row[4] for row in rows if row and row[0] == str(number)), None)


def in_queue(number: object) -> bool:
    """Whether the queue has a job."""
    return queue_says(number) is not None


def asked(number: object) -> str:
    """What the master knows of a job in the queue."""
    return subprocess.check_output(["qstat", "-j", str(number)], text=True)


def accounted(number: object) -> dict[str, str]:
    """What the accounting says of a job, once it does."""
    found: dict[str, str] = {}

    def known() -> bool:
        done = subprocess.run(["qacct", "-j", str(number)], capture_output=True, text=True)
        rows = (line.split(maxsplit=1) for line in done.stdout.splitlines())
        found.update((row[0], row[1].strip()) for row in rows if len(row) == 2)
        return "failed" in found

    wait_for(known, 30, f"an accounting of job {number}")
    return found


def ask_operator(request: str) -> None:
    """Ask the test cluster for what only root can do to a node."""
    fifo = Path(os.environ["SGE_ROOT"]).parent / "run" / "operator"
    descriptor = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)  # or fail: somebody must be reading
    os.write(descriptor, f"{request}\n".encode())
    os.close(descriptor)


def lose_sight_of_node(number: object) -> None:
    """Cut off the node until the master has put its job back, and for some seconds more: a job that
    hears of it at once was put back by a person."""
    ask_operator("silence node1")
    wait_for(lambda: queue_says(number) == "Rq", 90, "the loss of the node")
    time.sleep(20)
