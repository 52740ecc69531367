"""What takes the scheduler some time to notice: the time limit, and a lost node."""

from __future__ import annotations

import re
import subprocess

from ..beds import Bed
from ..hook_calls import sleeping
from .conftest import Watched

LIMIT = "because it reached its time limit"


def test_a_time_limit(bed: Bed, sees: Watched) -> None:
    time, seconds = bed.limit
    project = bed.project(**bed.limited_to(time))
    job, _ = sleeping(project)

    limit = (project.folder / "ready").stat().st_mtime + seconds
    seen = sees("time limit", project, job, since=limit, end="Failed", says=LIMIT)
    assert re.search(r"after 0:0[01]:\d\d, because", seen.sentence)


def test_a_time_limit_that_nobody_heeds(bed: Bed, sees: Watched) -> None:
    """A script that heeds no signal is killed, and the watcher tells."""
    time, seconds = bed.limit
    project = bed.project(**bed.limited_to(time))
    job, number = sleeping(project)
    script, *others = map(str, bed.processes(project, number))
    subprocess.run(["kill", "-STOP", script], check=True)
    subprocess.run(["kill", "-STOP", *others])  # a pause may be over

    limit = (project.folder / "ready").stat().st_mtime + seconds
    fault = "time limit of a script that hangs"
    sees(fault, project, job, since=limit, end="Failed", says=LIMIT, within=bed.within + 90)


def test_a_lost_node(bed: Bed, sees: Watched) -> None:
    """Whatever else runs on the node is lost with it: no other test may run beside this one."""
    project = bed.project(**bed.on_first_node())
    job, number = sleeping(project)

    noticed = bed.lose_node(project, number)

    fault = "node lost, with all its processes"
    says = "its node was lost"
    sees(fault, project, job, since=noticed, end="Failed", says=says, within=120)
