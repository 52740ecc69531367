"""A Refine3D on a real Slurm whose nodes may not call Slurm: its next runs are queued ahead."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dispatcher.jobs.record import RECORD, load_record

from ...waiting import wait_for
from ..hook_calls import change_site
from ..project import MakeProject, Project
from .cut_refinement import CutRefinement, assert_complete

pytestmark = pytest.mark.usefixtures("preempting_slurm")

COMMANDS = ("sbatch", "scancel", "scontrol", "squeue", "sacct")


def on_such_nodes(project: Project) -> Path:
    """Slurm's commands refuse whoever is in a job; the file in which each such call is noted."""
    folder = project.folder.parent / "commands"
    folder.mkdir()
    called = folder / "called"
    for name in COMMANDS:
        program = folder / name
        program.write_text(
            "#!/bin/bash\n"
            f'[ -n "${{SLURM_JOB_ID:-}}" ] || exec /usr/bin/{name} "$@"\n'
            f'echo "{name} $*" >>"{called}"\n'
            f'echo "{name}: error: Access denied" >&2\nexit 1\n'
        )
        program.chmod(0o755)
    project.environment["PATH"] = f"{folder}:{project.environment['PATH']}"
    return called


def line_of(refinement: CutRefinement, next_runs: int) -> tuple[str, ...]:
    """The ids of the job and its next runs, once the hook has queued all."""

    def line() -> tuple[str, ...]:
        return load_record(refinement.job / RECORD).jobs_in_line

    wait_for(lambda: len(line()) == 1 + next_runs, 60, "the line")
    return line()


def in_queue(line: tuple[str, ...]) -> dict[str, str]:
    """The states of those that have not ended."""
    asked = ["squeue", "--noheader", "--format=%A %T", f"--jobs={','.join(line)}"]
    done = subprocess.run(asked, env=os.environ, capture_output=True, text=True)
    return dict(each.split() for each in done.stdout.splitlines())


def test_two_cuts_by_the_time_limit(
    make_project: MakeProject, started: Any, uncut: set[str]
) -> None:
    project = make_project("5", refine={"time": "00:02:00"})
    called = on_such_nodes(project)
    refinement = started(project, queued_ahead=8)
    line = line_of(refinement, 8)
    wait_for(lambda: in_queue(line).get(line[-1]) == "PENDING", 60, "the last of the line")

    for run in (1, 2):
        refinement.wait_for_iterations(run, 2)
        refinement.pause()
        refinement.wait_for_cut(run)

    cuts = assert_complete(refinement, uncut)
    assert len(cuts) >= 2
    assert {*cuts} == {"time_limit"}
    assert [run.job_id for run in refinement.runs] == list(line[: len(cuts) + 1])
    assert "requeue" not in called.read_text()
    wait_for(lambda: not in_queue(line), 120, "the end of those that have nothing to do")
    assert (refinement.job / "run.err").read_text().count("relion-dispatch:") == 0


def test_our_command_cancels_the_line(make_project: MakeProject, started: Any) -> None:
    project = make_project("5")
    on_such_nodes(project)
    refinement = started(project, queued_ahead=2)
    line = line_of(refinement, 2)
    refinement.wait_for_iterations(1, 1)
    assert [in_queue(line)[each] for each in line] == ["RUNNING", "PENDING", "PENDING"]

    said = project.relion_dispatch("cancel", f"Refine3D/{refinement.job.name}").stdout

    assert "aborted" in said
    wait_for(lambda: not in_queue(line), 60, "the end of all")
    refinement.pipeliner.wait(120)
    assert project.status(refinement.job) == "Aborted"
    assert len(refinement.runs) == 1


@pytest.mark.parametrize(("partition", "by"), [("requeued", 0), ("warned", 1)])
def test_a_job_of_higher_priority(
    partition: str, by: int, make_project: MakeProject, started: Any, uncut: set[str]
) -> None:
    """Slurm puts a job back at once, and those behind it wait on for the end of the job that has
    its id. A job that is warned has ended before Slurm would put it back: so the next one goes on.
    """
    submit = {"partition": partition, "nthread": 1, "mem": "2G"}
    project = make_project("5", submit=submit, refine={"time": "01:00:00"})
    change_site(project, partitions={partition: {"cores": 32, "gpus": 4, "gpu_memory": "32G"}})
    on_such_nodes(project)
    refinement = started(project, queued_ahead=2)
    line = line_of(refinement, 2)

    refinement.wait_for_iterations(1, 2)
    urgent = ["sbatch", "--partition=urgent", "--nodes=2", "--exclusive", "--time=1"]
    subprocess.run([*urgent, "--output=/dev/null", "--wrap=true"], check=True)
    refinement.wait_for_cut(1)

    assert assert_complete(refinement, uncut) == ["preemption"]
    assert [run.job_id for run in refinement.runs] == [line[0], line[by]]
    wait_for(lambda: not in_queue(line), 120, "the end of those that have nothing to do")
