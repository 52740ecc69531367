"""What takes the scheduler some time to notice: the time limit, and a lost node."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

from ...waiting import wait_for
from ..hook_calls import sleeping
from ..project import MakeProject
from .conftest import Watched
from .observation import slurm_knows


def operator(request: str) -> None:
    """Ask the test cluster for what only root can do to a node."""
    fifo = Path(os.environ["SLURM_CONF"]).parent / "run" / "operator"
    descriptor = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)  # or fail: somebody must be reading
    os.write(descriptor, f"{request}\n".encode())
    os.close(descriptor)


def node_state(name: str) -> str:
    shown = subprocess.check_output(["scontrol", "show", "node", name], text=True)
    found = re.search(r"State=(\S+)", shown)
    assert found, shown
    return found[1]


def test_a_time_limit_and_a_lost_node(make_project: MakeProject, sees: Watched) -> None:
    """At the same time, on two nodes.

    Whatever else runs on the node gpu1 is lost with it: no other test may run beside this one.
    """
    limited = make_project(
        "5",
        name="limited",
        submit={"time": "00:02:00", "mem": "1G", "scheduler_options": ["--nodelist=gpu2"]},
    )
    lost = make_project(
        "5", name="lost", submit={"mem": "1G", "scheduler_options": ["--nodelist=gpu1"]}
    )
    limited_job, _ = sleeping(limited)
    lost_job, number = sleeping(lost)
    try:
        operator("lose gpu1")
        wait_for(lambda: "NODE_FAIL" in slurm_knows(str(number)), 60, "the loss of the node")
        noticed = time.time()

        sees(
            "slurmd of the node killed, with all its processes",
            lost,
            lost_job,
            since=noticed,
            end="Failed",
            says="its node was lost",
            within=120,
        )
    finally:
        operator("return gpu1")
        wait_for(lambda: node_state("gpu1") in ("IDLE", "MIXED"), 60, "the node's return")

    # Slurm warns 60 s before the limit, and up to another minute early.
    limit = (limited.folder / "ready").stat().st_mtime + 120
    seen = sees(
        "time limit (of 2 minutes; Slurm warns before it)",
        limited,
        limited_job,
        since=limit,
        end="Failed",
        says="because it reached its time limit",
    )
    assert re.search(r"after 0:0[01]:\d\d, because", seen.sentence)
