"""Jobs as RELION's users make them, and their places in RELION's pipeline."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from ..waiting import wait_for
from .project import Project

REFINE = {
    "fn_img": "particles.star",
    "fn_ref": "reference.mrc",
    "ref_correct_greyscale": "Yes",
    "do_ctf_correction": "No",
    "particle_diameter": 110,
    "ini_high": 30,
    "sampling": '"15 degrees"',
    "nr_mpi": 1,
    "use_gpu": "Yes",
    "other_args": '"--auto_iter_max 2"',
}
LONG = {**REFINE, "other_args": '"--auto_iter_max 200"'}


def mask_job(project: Project) -> Path:
    """A job of a second."""
    return project.add_job("maskcreate", fn_in="reference.mrc", inimask_threshold=0.2)


def sleeping_job(project: Project, ready: Path) -> Path:
    """An External job that is still there when it is ended: its program runs on the host."""
    program = project.folder / "sleeper"
    program.write_text(f"#!/bin/bash\nsleep 300 &\n: >'{ready}'\nwait\n")
    program.chmod(0o755)
    return project.add_job("external", fn_exe=str(program))


def copy_of(job: Path, number: int) -> Path:
    """Another job like this one."""
    copy = shutil.copytree(job, job.with_name(f"job{number:03}"))
    script = copy / "run_submit.script"
    script.write_text(script.read_text().replace(job.name, copy.name))
    return copy


def mark_running(project: Project, job: Path) -> None:
    """Have RELION's pipeline say Running, as RELION does before it calls the hook."""
    waiting, running = {"3": ("1", "0"), "5": ("Scheduled", "Running")}[project.major]
    pipeline = project.folder / "default_pipeline.star"
    row = rf"^(\s*{job.parent.name}/{job.name}/\s+\S+\s+\S+\s+){waiting}\b"
    text, count = re.subn(row, rf"\g<1>{running}", pipeline.read_text(), flags=re.MULTILINE)
    assert count == 1, text
    pipeline.write_text(text)


def add_to_pipeline(project: Project, like: Path, jobs: list[Path]) -> None:
    """Give RELION's pipeline rows for these jobs like that of another."""
    mark_running(project, like)
    pipeline = project.folder / "default_pipeline.star"
    lines = pipeline.read_text().splitlines(keepends=True)
    (at,) = (n for n, line in enumerate(lines) if line.split()[3:4] == ["Running"])
    rows = [lines[at].replace(like.name, job.name) for job in jobs]
    pipeline.write_text("".join([*lines[: at + 1], *rows, *lines[at + 1 :]]))


def wait_for_iterations(job: Path) -> None:
    """Wait until RELION has begun to iterate."""
    out = job / "run.out"
    wait_for(lambda: out.exists() and "Expectation" in out.read_text(), 120, "the first iteration")
