"""A refinement on Slurm that goes on, whose runs write iterations; Slurm's answers are made up."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from ....fixture_types import CorpusJob, WriteSite
from ....refinement_files import write_iteration
from ....waiting import wait_for
from ..running_job import RunningJob

SOON = "JobState=RUNNING Restarts={} EndTime=$(date -d '+60 seconds' +%FT%T)\n PreemptTime=None"
TOKEN = "0123456789ab"


class Refinement:
    """The runs of one job.

    Attributes:
        script: RELION's submission script.
        folder: the job's folder.
        recorded: a line for each program that was started in the container.
    """

    def __init__(self, script: Path, running_job: RunningJob, tmp_path: Path) -> None:
        self.script = script
        self.folder = script.parent
        self.recorded = tmp_path / "recorded"
        self.running_job = running_job
        self._made = tmp_path / "made" / self.folder.parent.name / self.folder.name
        self._made.mkdir(parents=True)
        self._rendered: Path | None = None
        self.answer("")

    def answer(self, shows: str, refuses: str = "") -> None:
        """What Slurm says of the job, and why it does not take the job back."""
        program = self.running_job.programs / "scontrol"
        program.unlink(missing_ok=True)
        program.write_text(
            "#!/bin/bash\n"
            f'[ "$1" = show ] && {{ echo "{shows}"; exit; }}\n'
            f'echo "$*" >>{self.folder.parents[1]}/asked\n'
            f'[ -z "{refuses}" ] || {{ echo "{refuses}" >&2; exit 1; }}\n'
        )
        program.chmod(0o755)

    def start(
        self, iterations: str = "", *, ends: bool = False, job: str = "17"
    ) -> subprocess.Popen[str]:
        """Start the script once more, as the scheduler's `job`. RELION writes these iterations,
        and ends or goes on."""
        begun = self.folder / "begun"
        begun.unlink(missing_ok=True)
        does = f"{self.writes(iterations)} touch {begun}; {'true' if ends else 'sleep 300'}"
        started = self.start_with(does, job)
        if not ends:
            wait_for(lambda: begun.exists() or started.poll() is not None, 40)
        return started

    def writes(self, iterations: str) -> str:
        """What RELION does to write these iterations, as shell text."""
        for number in map(int, iterations.split()):
            write_iteration(self._made, number)
        return "".join(
            f"cp {self._made}/run_it{int(number):03}_* {self.folder}; "
            for number in iterations.split()
        )

    def start_with(self, does: str, job: str = "17") -> subprocess.Popen[str]:
        """Start the script once more; `does` is what each program of RELION does."""
        if self._rendered is None:
            self._rendered = self.running_job.render(self.script, TOKEN)
            library = self.folder / "run_submit.script.lib"
            os.utime(library, (1, 1))
        restarts = len(list(self.folder.glob(f".dispatch_claim.{TOKEN}*")))
        return self.running_job.start(
            self._rendered,
            texts=self.folder,
            ON_RUN=does,
            SLURM_JOB_ID=job,
            **({"SLURM_RESTART_COUNT": str(restarts)} if restarts else {}),
        )

    def cut(self, running: subprocess.Popen[str]) -> None:
        """Slurm warns the script of its time limit."""
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=60)

    def fail(self, running: subprocess.Popen[str]) -> None:
        """RELION's program fails by itself."""
        hit = ["pkill", "-s", str(running.pid), "-x", "sleep"]
        wait_for(lambda: subprocess.run(hit).returncode == 0, what="the start of RELION's program")
        running.wait(60)

    def at_its_limit(self, iterations: str = "") -> None:
        """A run that writes these iterations, and is cut by its time limit."""
        self.answer(SOON.format(len(list(self.folder.glob(f".dispatch_claim.{TOKEN}*")))))
        self.cut(self.start(iterations))

    def commands(self) -> list[list[str]]:
        """The words of each command that was started."""
        lines = self.recorded.read_bytes().removesuffix(b"\n").split(b"\0\n")
        return [line.removesuffix(b"\0").decode().split("\0") for line in lines]

    def run_record(self, number: int | None = None) -> dict[str, str]:
        """The record of a run; without a number that of the last one."""
        name = f"dispatch.run.{TOKEN}" + ("" if number is None else f".{number}")
        lines = (self.folder / name).read_text().splitlines()
        return {key: value for key, _, value in (line.partition(" ") for line in lines)}

    def says(self, file: str = "run.out") -> str:
        """What RELION's user reads."""
        return (self.folder / file).read_text()


@pytest.fixture
def refinement(
    corpus_job: CorpusJob, running_job: RunningJob, site: WriteSite, tmp_path: Path, images: None
) -> Refinement:
    """An auto-refinement of one command."""
    site("site.json", {"scheduler": "slurm", "goes_on": True, "mps": False})
    return Refinement(corpus_job("relion-5.0.1/Refine3D_job011"), running_job, tmp_path)
