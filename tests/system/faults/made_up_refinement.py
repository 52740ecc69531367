"""A refinement that goes on, cut on a cluster where jobs give way to others, or on this machine.

Its program is made_up_refinement.sh, as the fault is never RELION's: all else is real.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dispatcher.jobs.record import RECORD, load_record
from dispatcher.jobs.runs import Run

from ...refinement_files import write_iteration
from ...waiting import wait_for
from ..beds.preempting import PreemptingBed
from ..hook_calls import change_site, dispatch, start_hook
from ..jobs import mark_running
from ..power_cut import cut_power
from ..project import MakeProject, Project

__all__ = ["MadeUpRefinement"]

_PROGRAM = Path(__file__).with_name("made_up_refinement.sh")
_CLASSES = {
    "fn_img": "particles.star",
    "nr_classes": 1,
    "do_em": "Yes",
    "do_grad": "No",
    "nr_iter_em": 25,
    "do_ctf_correction": "No",
    "particle_diameter": 110,
    "nr_mpi": 1,
    "use_gpu": "No",
}
_ITERATIONS = 4


class MadeUpRefinement:
    """One job and its runs.

    Attributes:
        bed: the cluster; None for this machine, which is then switched off to cut a run.
        name: RELION's name of the job.
    """

    def __init__(
        self, make_project: MakeProject, bed: PreemptingBed | None, command: Path | None = None,
        **submit: Any,
    ) -> None:  # fmt: skip
        self.bed = bed
        if bed:
            submit = {"partition": bed.gives_way} | submit
        types = {"class2d": {"nproc": 1, "ngpu": 0, "nthread": 1, "mem": "2G"} | submit}
        self.project: Project = (
            bed.project(**types) if bed else make_project("5", scheduler="local", **types)
        )
        self.project.command = command or self.project.command
        program = os.environ["RELION_TEST_APPTAINER"]
        bind = f"--bind={_PROGRAM}:/usr/bin/relion_refine"
        card = {"cores": 32, "gpus": 4, "gpu_memory": "32G"}
        change_site(
            self.project,
            goes_on=True,
            apptainer={"program": program, "options": [bind]},
            partitions={submit.get("partition", "gpu"): card},
        )
        self.play = self.project.folder / "play"
        self.job = self.project.add_job("class2d", **_CLASSES)
        self.name = f"{self.job.parent.name}/{self.job.name}"
        made = self.play / "made" / self.name
        made.mkdir(parents=True)
        for number in range(1, _ITERATIONS + 1):
            write_iteration(made, number)
        self.reach(0)

    def reach(self, iteration: int) -> None:
        """Up to which iteration the program comes from now on."""
        new = self.play / "reach.new"
        new.write_text(f"{iteration}\n")
        new.rename(self.play / "reach")

    def may_end(self) -> float:
        """Let the program end; when that was."""
        (self.play / "ends").touch()
        return time.time()

    # Runs

    def submit(self, **environment: str) -> None:
        """Submit the job, and wait until the first run's program has begun."""
        mark_running(self.project, self.job)
        hook = start_hook(self.project, self.job, **environment)
        printed, _ = hook.communicate(timeout=120)
        assert hook.returncode == 0, printed
        self.wait_for_program(1)

    @property
    def runs(self) -> tuple[Run, ...]:
        """The job's runs up to now."""
        return load_record(self.job / RECORD).runs

    @property
    def number(self) -> str:
        """The scheduler's id of the job."""
        return str(self.project.record(self.job)["job_id"])

    def began(self) -> list[list[str]]:
        """What the program has noted of each start: node, process, iteration, image."""
        file = self.play / "began"
        return [line.split() for line in file.read_text().splitlines()] if file.exists() else []

    def writes(self) -> list[str]:
        """Node and process of each sign of life of a program."""
        return (self.play / "writes").read_text().splitlines()

    def assert_went_on(self, why: str, iteration: int | None) -> None:
        """A second run did the rest, from that iteration on."""
        assert [run.ending for run in self.runs] == ["GOES_ON", "SUCCESS"]
        first, second = self.runs
        assert (first.why, second.from_iteration) == (why, iteration)
        assert [int(began[2]) for began in self.began()] == [0, iteration or 0]

    def wait_for_program(self, run: int) -> None:
        """Wait until the program of a run has begun."""
        self._wait_for(lambda: len(self.began()) >= run, f"the program of run {run}")

    def wait_for_iteration(self, number: int) -> None:
        """Let the program come to an iteration, and wait until it is written."""
        self.reach(number)
        last = self.job / f"run_it{number:03}_sampling.star"
        self._wait_for(last.exists, f"iteration {number}")
        self.wait_for_writing()

    def wait_for_writing(self) -> None:
        """Wait for a sign of life of the program."""
        count = len(self.writes())
        self._wait_for(lambda: len(self.writes()) > count, "a sign of life")

    def _wait_for(self, condition: Callable[[], bool], what: str) -> None:
        def comes() -> bool:
            assert not list(self.job.glob("RELION_JOB_EXIT_*")), f"no {what}: {self.texts()}"
            return condition()

        wait_for(comes, 60, what)

    def wait_for_signal(self) -> None:
        """Wait until the scheduler has told the job that it is cut: Slurm writes so into run.err,
        and Grid Engine tells the program, too."""
        told = self.play / "told"
        self._wait_for(lambda: "CANCELLED AT" in self.texts() or told.exists(), "the signal")

    def texts(self) -> str:
        """What RELION's user reads."""
        files = (self.job / name for name in ("run.out", "run.err"))
        return "\n".join(file.read_text()[-2000:] for file in files if file.exists())

    # Cuts

    def cut(self) -> None:
        """Cut the run, and wait until that is over: the job waits for its next run."""
        if self.bed is None:
            cut_power(self.project, self.job)
            return
        run = len(self.runs)
        self.bed.preempt(self.number)
        self._wait_for(lambda: self.is_cut(run), f"cut of run {run}")
        self._wait_for(self.is_waiting, "waiting for the next run")

    def is_cut(self, run: int) -> bool:
        """Whether the record of a run says that the job goes on."""
        return self.runs[run - 1].went_on

    def is_waiting(self) -> bool:
        """Whether the job waits in the queue."""
        assert self.bed
        return self.bed.waits_again(self.number)

    def next_run(self) -> None:
        """A scheduler starts the next run by itself; on this machine its user does."""
        if self.bed is None:
            dispatch(self.project, "resume", self.name)

    def row(self) -> dict[str, Any]:
        """What `status` says of the job."""
        (row,) = json.loads(dispatch(self.project, "status", "--json"))
        return dict(row)

    def kill(self) -> None:
        """End what is left of a test that failed."""
        if not (self.job / RECORD).exists() or list(self.job.glob("RELION_JOB_EXIT_*")):
            return
        if self.bed is None:
            cut_power(self.project, self.job)
        elif self.bed.in_queue(self.number):
            self.bed.cancel(self.number)
