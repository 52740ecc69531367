"""A RELION project, driven through RELION's own pipeliner in the project's image."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dispatcher.jobs.record import RECORD, load_record

from ..waiting import has_ended, wait_for

__all__ = ["COMMAND", "ROOT", "MakeProject", "Project"]

ROOT = Path(__file__).parents[2]
COMMAND = ROOT / "deploy" / "relion-dispatch"
LABELS_3 = {
    "motioncorr": 1, "ctffind": 2, "autopick": 4, "extract": 5, "class2d": 8, "refine3d": 10,
    "maskcreate": 12, "polish": 20, "ctfrefine": 21, "external": 99,
}  # fmt: skip


@dataclass
class Project:
    """A RELION project, driven through RELION's own pipeliner in the project's image."""

    folder: Path
    major: str
    environment: dict[str, str]
    command: Path = COMMAND
    scheduler: str = "slurm"

    @property
    def hook(self) -> Path:
        """What RELION on the host would call."""
        return self.command.with_name("relion_dispatch.py")

    def relion(self, *command: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Run a RELION program in the project's image, its queue jobs dispatched on the host."""
        return subprocess.run(
            [self.command, "relion", *command],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def relion_dispatch(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of the dispatcher's commands in the project's folder."""
        return subprocess.run(
            [self.command, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def add_job(self, kind: str, **options: object) -> Path:
        """Add a job with ``do_queue Yes``; returns its folder."""
        values = {"do_queue": "Yes", "min_dedicated": 1, **options}
        lines = [f"{name} {value}" for name, value in values.items()]
        label = (
            f"_rlnJobType {LABELS_3[kind]}"
            if self.major == "3"
            else f"_rlnJobTypeLabel relion.{kind}\n_rlnJobIsTomo 0"
        )
        (self.folder / f"{kind}_job.star").write_text(
            f"\ndata_job\n\n{label}\n_rlnJobIsContinue 0\n\n"
            "data_joboptions_values\n\nloop_\n_rlnJobOptionVariable #1\n_rlnJobOptionValue #2\n"
            + "\n".join(lines)
            + "\n"
        )
        before = set(self.folder.glob("*/job???"))
        added = self.relion("relion_pipeliner", "--addJobFromStar", f"{kind}_job.star")
        new = set(self.folder.glob("*/job???")) - before
        assert len(new) == 1, added.stdout + added.stderr
        return new.pop()

    def run_job(self, job: Path, timeout: float = 300) -> None:
        """Let RELION's pipeliner run the job as its GUI would, and wait for its end."""
        self.let_pipeliner_run(job, timeout)
        wait_for(lambda: has_ended(job), 30, f"the last word of {job.name}'s script")

    def let_pipeliner_run(self, job: Path, timeout: float = 300) -> None:
        """Let RELION's pipeliner run the job until the job has ended for RELION."""
        name = f"{job.parent.name}/{job.name}/"
        done = self.relion(
            "relion_pipeliner",
            "--RunJobs",
            name,
            "--schedule",
            f"test{job.name}",
            "--sec_wait_after",
            "1",
            timeout=timeout,
        )
        (job / "pipeliner.out").write_text(done.stdout + done.stderr)

    def status(self, job: Path) -> str:
        """The job's status in RELION's own pipeline."""
        pipeline = (self.folder / "default_pipeline.star").read_text()
        row = re.search(rf"^\s*{job.parent.name}/{job.name}/\s.*$", pipeline, re.MULTILINE)
        assert row, pipeline
        status = row[0].split()[3]
        return {"0": "Running", "2": "Succeeded", "3": "Failed", "4": "Aborted"}.get(status, status)

    def assert_succeeded(self, job: Path) -> None:
        """RELION itself says Succeeded; otherwise show what the user would look at."""
        texts = [
            f"==> {name} <==\n{(job / name).read_text()[-3000:]}"
            for name in ("run.out", "run.err", "pipeliner.out")
            if (job / name).exists()
        ]
        assert self.status(job) == "Succeeded", "\n".join(texts)

    def record(self, job: Path) -> dict[str, Any]:
        """The dispatcher's record of the job, merged from the files of all its writers."""
        return dict(load_record(job / RECORD).merged)


MakeProject = Callable[..., Project]
