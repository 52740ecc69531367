"""Projects with the records of jobs that a report reads, as the hook and job scripts write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["add_job", "make_project"]

RECORD: dict[str, Any] = {
    "job_type": "refine",
    "scheduler": "slurm",
    "submit_command": ["sbatch"],
    "image": {"name": "relion", "version": "5.0.1", "variant": "cuda", "sha256": None},
    "nproc": 5,
    "ngpu": 2,
    "nodes": 1,
    "mps": False,
    "job_parameters": {"partition": "gpu", "time": "10:00:00", "mem": "64G"},
    "user": "ada",
    "host": "login1",
    "dispatched": "2026-11-01T08:00:00+00:00",
}


def make_project(folder: Path) -> Path:
    """An empty project of RELION's."""
    folder.mkdir(parents=True)
    (folder / "default_pipeline.star").touch()
    return folder


def add_job(
    project: Path, job: str, number: int, run: str = "", name: str = "dispatch.json", **keys: Any
) -> Path:
    """Write a job's record, with `keys` in place of those above; returns the job's folder.

    `number` becomes its id and its token. `run` has the lines of its run's file, apart from the
    token; without it, nobody knows the job's end.
    """
    folder = project / job
    folder.mkdir(parents=True, exist_ok=True)
    token = f"{number:012x}"
    record = {**RECORD, "job": job, "project": str(project), "token": token, "job_id": str(number)}
    (folder / name).write_text(json.dumps({**record, **keys}))
    if run:
        (folder / f"dispatch.run.{token}").write_text(f"token {token}\n{run}\n")
    return folder
