"""himena-relion: a job is created in its window, which has no screen, and runs in the queue.

It calls `relion_pipeliner`, which a site without RELION on its hosts gives its users as a script of
two lines (docs/session.md).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

from ...waiting import wait_for, wait_for_end
from ..hook_calls import PYTHON
from ..project import MakeProject, Project

pytestmark = PYTHON

# In the container of `relion-dispatch relion`; docs/session.md tells users to set these.
SETTINGS = {
    "qsub": "sh /relion-dispatch/relion_client.sh",
    "qsubscript": "/relion-dispatch/relion_template.sh",
    "queuename": "gpu",
}


def create_job(project: Project, **options: object) -> Path:
    """Press the button; the folder of the job that its watcher then runs."""
    programs = project.folder.parent / "programs"
    programs.mkdir()
    pipeliner = programs / "relion_pipeliner"
    pipeliner.write_text(f'#!/bin/sh\nexec {project.command} relion relion_pipeliner "$@"\n')
    pipeliner.chmod(0o755)
    python = Path(os.environ["RELION_TEST_CLIENTS"])
    done = subprocess.run(
        [python, Path(__file__).with_name("himena_window.py"), project.folder,
         json.dumps(SETTINGS), json.dumps(options)],
        cwd=project.folder,
        env={
            **project.environment,
            "PATH": f"{programs}:{python.parent}:{os.environ['PATH']}",
            "RELION_QUEUE_USE": "Yes",  # as deploy/environment/ has it
            "QT_QPA_PLATFORM": "offscreen",
            "XDG_DATA_HOME": str(programs / "data"),
            "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),
        },
        capture_output=True,
        text=True,
        timeout=120,
    )  # fmt: skip
    jobs = list((project.folder / "MaskCreate").glob("job*"))
    assert jobs, done.stdout + done.stderr
    return jobs[0]


def has_status(project: Project, job: Path, wanted: str) -> bool:
    """Whether RELION's pipeline says so; it is empty while it is being written."""
    text = (project.folder / "default_pipeline.star").read_text()
    return bool(re.search(rf"(?m)^\s*MaskCreate/{job.name}/\s.*\b{wanted}\b", text))


def test_a_job_of_its_window_goes_to_the_queue(make_project: MakeProject) -> None:
    project = make_project("5")

    job = create_job(project, fn_in="reference.mrc", inimask_threshold=0.2)

    wait_for_end(job, "SUCCESS", 60)
    wait_for(lambda: has_status(project, job, "Succeeded"), 60, "its watcher's look")
    assert project.record(job)["scheduler"] == "slurm"


def test_a_refusal_is_seen_in_its_window(make_project: MakeProject) -> None:
    """It shows run.err of a job whose exit file says that the job failed."""
    project = make_project("5")

    job = create_job(project, fn_in="reference.mrc", other_args="--j 5000")

    wait_for((job / "RELION_JOB_EXIT_FAILURE").exists, 60, "the refusal")
    wait_for(lambda: has_status(project, job, "Failed"), 60, "its watcher's look")
    assert "asks for 5000 threads" in (job / "run.err").read_text()
