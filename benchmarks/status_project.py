"""A RELION project with thousands of jobs, as `status` finds it: records, run files, exit files.

The records are those that the real hook wrote of a Class2D and of a Refine3D job, under new names.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmark_project import make_job, make_site, user_environment

__all__ = ["Made", "make_project"]

HOOK = Path(__file__).parents[1] / "deploy" / "relion_dispatch.py"
HEADS = """
# version 50001

data_pipeline_general

_rlnPipeLineJobCounter {number}

# version 50001

data_pipeline_processes

loop_
_rlnPipeLineProcessName #1
_rlnPipeLineProcessAlias #2
_rlnPipeLineProcessTypeLabel #3
_rlnPipeLineProcessStatusLabel #4
"""
KINDS = ("Import", "Extract", "Class2D", "Select", "Refine3D", "PostProcess", "Class3D", "Select")
ITERATED = {"Class2D", "Class3D", "Refine3D"}
ITERATIONS = 10
HOURS_BETWEEN = 0.2  # between the ends of two jobs
EXIT = {"Succeeded": "SUCCESS", "Failed": "FAILURE", "Aborted": "ABORTED"}
OPTIMISER = """
# version 50001

data_optimiser_general

_rlnOutputRootName {job}/run
_rlnCurrentIteration {iteration}
_rlnNumberOfIterations {number}
_rlnDoAutoRefine {auto}
"""
RUN = """token {token}
started 2026-11-27T05:11:14+00:00
ended 2026-11-27T06:11:14+00:00
host gpu{node}
scheduler_job_id {number}
exit_status {status}
ending {end}
reason {reason}
gpu gpu{node} GPU-00000000-0000-0000-0000-000000000000 720 9123456789 61 3 9000000000
"""


class Made(NamedTuple):
    """A job of the project."""

    name: str
    status: str
    token: str
    number: int


def make_project(folder: Path, number: int) -> list[Made]:
    """Make the folders `site` and `project`, with so many jobs, of which the last ones run or wait.

    Of the others nine of ten succeeded. All were dispatched but the imports and the selections.
    """
    project = folder / "project"
    project.mkdir()
    make_site(folder / "site")
    records = dict(_real_records(folder, project))
    jobs = [_made(at, number) for at in range(1, number + 1)]
    rows = "".join(f"{job.name}/ None relion.{_kind(job).lower()} {job.status}\n" for job in jobs)
    (project / "default_pipeline.star").write_text(HEADS.format(number=number + 1) + rows)
    for job in jobs:
        _make_job(project, job, records, number)
    queue = "".join(_queue_line(job) for job in jobs if job.status == "Running")
    (folder / "site" / "queue").write_text(queue)
    return jobs


def _made(at: int, number: int) -> Made:
    kind = KINDS[at % len(KINDS)]
    if at > number - 20:
        kind, status = "Class3D" if at % 2 else "Refine3D", "Running"
    elif at % 10 or kind in ("Import", "Select"):
        status = "Succeeded"
    else:
        status = "Failed" if at % 40 else "Aborted"
    return Made(f"{kind}/job{at:03}", status, f"{at:012x}", at)


def _kind(job: Made) -> str:
    return job.name.partition("/")[0]


def _runs(job: Made) -> bool:
    return job.status == "Running" and job.number % 3 > 0


def _queue_line(job: Made) -> str:
    state, reason = ("RUNNING", "None") if _runs(job) else ("PENDING", "Priority")
    return f"{job.number}|{state}|gpu1|{reason}|1:02:33|relion-dispatch:{job.token}\n"


def _real_records(folder: Path, project: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """The files of each kind of job that the hook and RELION wrote, by their names."""
    environment = user_environment(folder)
    for at, style in enumerate(("3.1", "3.0")):
        job = make_job(project, 900 + at, style, 100)
        subprocess.run([HOOK, job.script], cwd=project, env=environment, check=True)
        names = ("dispatch.json", "run_submit.script", "job.star")
        files = {name: (project / job.folder / name).read_text() for name in names}
        token = files["dispatch.json"].partition('"token": "')[2][:12]
        yield (
            style,
            {name: _marked(text, str(job.folder), token) for name, text in files.items()},
        )


def _marked(text: str, job: str, token: str) -> str:
    return text.replace(job, "@JOB@").replace(token, "@TOKEN@").replace("4711", "@ID@")


def _make_job(project: Path, job: Made, records: dict[str, dict[str, str]], jobs: int) -> None:
    folder = project / job.name
    folder.mkdir(parents=True)
    auto = _kind(job) == "Refine3D"
    files = records["3.0" if auto else "3.1"]
    dispatched = _kind(job) not in ("Import", "Select")
    for name in ("job.star", "run_submit.script", "dispatch.json") if dispatched else ("job.star",):
        text = files[name].replace("@JOB@", job.name).replace("@TOKEN@", job.token)
        (folder / name).write_text(text.replace("@ID@", str(job.number)))
    (folder / "run.out").write_text(" Estimating accuracies ...\n" * 40)
    (folder / "run.err").write_text("")
    end = EXIT.get(job.status)
    if end and dispatched:
        reason = "" if end == "SUCCESS" else "The job failed after 0:12:03, because memory ended."
        text = RUN.format(
            token=job.token, node=job.number % 9, number=job.number, end=end, reason=reason,
            status=int(end != "SUCCESS"),
        )  # fmt: skip
        (folder / f"dispatch.run.{job.token}").write_text(text)
    if end:
        (folder / f"RELION_JOB_EXIT_{end}").touch()
        when = time.time() - HOURS_BETWEEN * 3600 * (jobs - job.number)
        os.utime(folder / f"RELION_JOB_EXIT_{end}", (when, when))
    if _kind(job) in ITERATED and (end or _runs(job)):
        _make_iterations(folder, job, auto)


def _make_iterations(folder: Path, job: Made, auto: bool) -> None:
    for at in range(ITERATIONS + 1):
        for name in ("data.star", "model.star", "optimiser.star"):
            number = 999 if auto else 25
            text = OPTIMISER.format(job=job.name, iteration=at, number=number, auto=int(auto))
            file = folder / f"run_it{at:03}_{name}"
            file.write_text(text)
            when = time.time() + 60 + 600 * (at - ITERATIONS)
            os.utime(file, (when, when))
    if job.status != "Running":
        return
    script = folder / "run_submit.script"  # RELION wrote it before the first iteration
    begin = time.time() - 600 * (ITERATIONS + 1)
    for file in (script, folder / "dispatch.json"):
        os.utime(file, (begin, begin))
