"""relion_schemer of RELION 5.1.0 runs a Scheme of one job, whose end it waits for."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ...waiting import wait_for
from ..hook_calls import PYTHON
from ..project import MakeProject, Project

pytestmark = PYTHON

SCHEME = """
data_scheme_general

_rlnSchemeName Schemes/try/
_rlnSchemeCurrentNodeName step

data_scheme_operators

loop_
_rlnSchemeOperatorName #1
_rlnSchemeOperatorType #2
_rlnSchemeOperatorOutput #3
_rlnSchemeOperatorInput1 #4
_rlnSchemeOperatorInput2 #5
EXIT exit undefined undefined undefined

data_scheme_jobs

loop_
_rlnSchemeJobNameOriginal #1
_rlnSchemeJobName #2
_rlnSchemeJobMode #3
_rlnSchemeJobHasStarted #4
step step new 0

data_scheme_edges

loop_
_rlnSchemeEdgeInputNodeName #1
_rlnSchemeEdgeOutputNodeName #2
_rlnSchemeEdgeIsFork #3
_rlnSchemeEdgeOutputNodeNameIfTrue #4
_rlnSchemeEdgeBooleanVariable #5
step EXIT 0 undefined undefined
"""
RUN = ("relion_schemer", "--scheme", "try", "--run", "--pipeline_control", "Schemes/try/")


def write_scheme(project: Project, label: str, **options: object) -> None:
    """A Scheme of one job, whose job.star names no queue command: RELION takes the session's."""
    step = project.folder / "Schemes" / "try" / "step"
    step.mkdir(parents=True)
    step.with_name("scheme.star").write_text(SCHEME)
    lines = [f"{name} {value}" for name, value in {"do_queue": "Yes", **options}.items()]
    (step / "job.star").write_text(
        f"\ndata_job\n\n_rlnJobTypeLabel {label}\n_rlnJobIsContinue 0\n_rlnJobIsTomo 0\n\n"
        "data_joboptions_values\n\nloop_\n_rlnJobOptionVariable #1\n_rlnJobOptionValue #2\n"
        + "\n".join(lines)
        + "\n"
    )


def started(project: Project) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [project.command, "relion", *RUN],
        cwd=project.folder,
        env=project.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_scheme_ends_with_its_job(make_project: MakeProject) -> None:
    project = make_project("5")
    write_scheme(project, "relion.maskcreate", fn_in="reference.mrc", inimask_threshold=0.2)

    done = project.relion(*RUN)

    job = project.folder / "MaskCreate" / "job001"
    assert project.status(job) == "Succeeded", done.stdout + done.stderr
    assert project.record(job)["scheduler"] == "slurm"
    assert (job / "mask.mrc").exists()


def test_a_scheme_stops_at_a_job_that_is_refused(make_project: MakeProject) -> None:
    project = make_project("5")
    write_scheme(project, "relion.maskcreate", fn_in="reference.mrc", other_args='"--j 5000"')

    done = project.relion(*RUN)

    job = project.folder / "MaskCreate" / "job001"
    assert project.status(job) == "Failed", done.stdout + done.stderr
    assert "Stopping scheme due to job" in done.stdout
    assert "asks for 5000 threads" in (job / "run.err").read_text()


@pytest.mark.parametrize("where", ["pending", "running"])
def test_aborting_a_scheme_ends_its_job(
    where: str, make_project: MakeProject, tmp_path: Path
) -> None:
    held = {"scheduler_options": ["--hold"]} if where == "pending" else {}
    # A program that is none of RELION's does not look for the abort: it is ended soon.
    project = make_project("5", external={"abort_grace": 2, **held})
    program = project.folder / "sleeper"
    program.write_text(f"#!/bin/sh\n: >{project.folder}/began\nexec sleep 300\n")
    program.chmod(0o755)
    write_scheme(project, "relion.external", fn_exe=str(program))
    job = project.folder / "External" / "job001"
    schemer = started(project)
    try:
        began = job / "dispatch.json" if where == "pending" else project.folder / "began"
        wait_for(began.exists, 60, "the job")
        wait_for(lambda: project.record(job)["job_id"], 30, "the job's id")

        project.relion("relion_schemer", "--scheme", "try", "--abort")
        if where == "pending":
            project.relion_dispatch("watch", "--once")
        output, _ = schemer.communicate(timeout=120)
    finally:
        if schemer.poll() is None:
            os.kill(schemer.pid, 15)

    assert project.status(job) == "Aborted", output
    assert "due to user abort" in output
    assert (program.with_name("began")).exists() == (where == "running")
