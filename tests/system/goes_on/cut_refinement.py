"""A refinement that goes on: as its user makes it, what it leaves, and its ranks on the nodes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

from dispatcher.jobs.record import RECORD, load_record
from dispatcher.jobs.runs import Run

from ...waiting import wait_for
from ..hook_calls import change_site, job_id, run_in_background
from ..jobs import REFINE, mask_job
from ..project import Project

__all__ = ["CutRefinement", "assert_complete", "outputs_of"]

# It converges by itself, in a dozen iterations of about the same length.
OPTIONS = {
    **REFINE,
    "auto_local_sampling": '"7.5 degrees"',
    "other_args": '"--random_seed 1"',
}
GOES_ON = {"at_most": 20, "gives_up_after": 5}  # on a busy machine, a run may bring nothing
EXIT_FILES = "RELION_JOB_EXIT_*"


def outputs_of(job: Path) -> set[str]:
    """The names of RELION's outputs; ``run_itNNN_data.star`` stands for those of all iterations."""
    names = (file.name for file in job.glob("run_*") if not file.name.startswith("run_submit"))
    return {re.sub(r"_it\d{3}_", "_itNNN_", name) for name in names}


@dataclass
class CutRefinement:
    """A job of RELION's pipeliner, which waits for its end in the background.

    Attributes:
        pipeliner: the process that waits.
        number: the job's id.
        nodes: the names of the nodes that it was on, by their namespaces.
    """

    project: Project
    job: Path
    pipeliner: subprocess.Popen[bytes]
    number: str
    nodes: dict[str, str] = field(default_factory=dict)

    @classmethod
    def started(cls, project: Project, *also_after: str, **goes_on: int) -> CutRefinement:
        """A refinement of a site on which jobs go on, also after what is not meant by `true`, and
        with further keys of `goes_on`."""
        after = ["preemption", "lost_node", "time_limit", *also_after]
        change_site(project, goes_on={**GOES_ON, "after": after, **goes_on})
        job = project.add_job("refine3d", **OPTIONS)
        pipeliner = run_in_background(project, job)
        return cls(project, job, pipeliner, job_id(project, job))

    @property
    def runs(self) -> tuple[Run, ...]:
        """The job's runs up to now."""
        return load_record(self.job / RECORD).runs

    @property
    def iteration(self) -> int:
        """The newest iteration of which there is a file."""
        files = self.job.glob("run_it*_optimiser.star")
        return max((int(file.name[6:9]) for file in files), default=0)

    def ranks(self) -> list[tuple[int, str]]:
        """Each of RELION's processes: its number, and its node.

        The container lets no variable of Slurm's through, so a node is known by its namespace.
        """
        found: list[tuple[int, str]] = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                namespace = (process / "ns" / "uts").readlink().name
                if (process / "cwd").readlink() != self.project.folder:
                    continue
                words = (process / "environ").read_bytes().decode(errors="replace").split("\0")
                name = (process / "comm").read_text()
            except OSError:  # it has ended, or is another user's
                continue
            named = dict(word.partition("=")[::2] for word in words)
            if node := named.get("SLURMD_NODENAME"):
                self.nodes[namespace] = node
            elif name.startswith("relion_refine"):
                found.append((int(process.name), namespace))
        return [(rank, self.nodes.get(namespace, namespace)) for rank, namespace in found]

    def pause(self) -> None:
        """Let RELION's processes stand still."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let them go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        for rank, _ in self.ranks():
            os.kill(rank, number)

    @contextmanager
    def seen_on_nodes(self) -> Iterator[list[set[str]]]:
        """Look ten times a second where the ranks are; each change, without moments of none."""
        seen: list[set[str]] = []
        over = Event()

        def look() -> None:
            while not over.wait(0.1):
                nodes = {node for _, node in self.ranks()}
                if nodes and nodes not in seen[-1:]:
                    seen.append(nodes)

        looking = Thread(target=look)
        looking.start()
        try:
            yield seen
        finally:
            over.set()
            looking.join()

    def wait_for_iterations(self, run: int, new: int) -> None:
        """Wait until a run has written some new iterations, or was cut before that."""
        begun_with = self.runs[run - 2].to_iteration or 0 if run > 1 else 0

        def written() -> bool:
            return self.is_cut(run) or self.iteration >= begun_with + new

        wait_for(written, 120, f"iteration {begun_with + new} in run {run}")

    def is_cut(self, run: int) -> bool:
        """Whether a run has ended, and the job is to go on."""
        runs = self.runs
        return len(runs) >= run and runs[run - 1].went_on

    def wait_for_cut(self, run: int, seconds: float = 120) -> None:
        """Wait until a run was cut; for RELION the job runs all the while."""
        wait_for(lambda: self.is_cut(run) or self._is_over(), seconds, f"the cut of run {run}")
        self.assert_runs_for_relion()

    def assert_runs_for_relion(self) -> None:
        """RELION's pipeline says Running, and no exit file says anything else."""
        assert self.project.status(self.job) == "Running", self._texts()
        assert not self._is_over(), self._texts()

    def _is_over(self) -> bool:
        return bool(list(self.job.glob(EXIT_FILES)))

    def _texts(self) -> str:
        return "\n".join((self.job / name).read_text()[-3000:] for name in ("run.out", "run.err"))

    def assert_succeeds(self) -> None:
        """RELION's pipeliner sees the end, and calls the job Succeeded."""
        self.pipeliner.wait(900)
        self.project.assert_succeeded(self.job)
        wait_for(lambda: self.runs[-1].ending == "SUCCESS", 30, "the last record")
        assert [file.name for file in self.job.glob(EXIT_FILES)] in (
            ["RELION_JOB_EXIT_SUCCESS"],
            [],  # RELION removes what it has seen
        )
        assert not list(self.job.glob(".dispatch_lease.*"))

    def kill(self) -> None:
        """End what is left of a test that failed."""
        line = load_record(self.job / RECORD).jobs_in_line or (self.number,)
        subprocess.run(["scancel", *reversed(line)], env=os.environ)
        self.pipeliner.terminate()
        self.pipeliner.wait(60)


def assert_complete(refinement: CutRefinement, uncut: set[str]) -> list[str | None]:
    """It has all that an uncut one has, and PostProcess sharpens its map; what cut its runs."""
    project, job = refinement.project, refinement.job
    refinement.assert_succeeds()
    *cut, last = refinement.runs
    assert last.why is None
    reached = [run.from_iteration or 0 for run in (*cut, last)]
    assert reached == sorted(reached), "no run began before where the one before it had begun"
    assert outputs_of(job) == uncut

    mask = mask_job(project)
    project.run_job(mask)
    project.assert_succeeded(mask)
    sharpened = project.add_job(
        "postprocess",
        fn_in=f"Refine3D/{job.name}/run_half1_class001_unfil.mrc",
        fn_mask=f"MaskCreate/{mask.name}/mask.mrc",
        do_auto_bfac="No",
    )
    project.run_job(sharpened)
    project.assert_succeeded(sharpened)
    assert (sharpened / "postprocess.mrc").stat().st_size > 0
    return [run.why for run in cut]
