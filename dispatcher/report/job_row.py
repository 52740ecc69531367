"""One submission in few values: what a report keeps of a job's record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from ..jobs.runs import Run

__all__ = ["IDLE", "LITTLE", "USES", "WASTED", "EarlierRun", "JobRow", "Outcome", "Use",
           "hours_of"]  # fmt: skip

Outcome = Literal["succeeded", "failed", "aborted", "refused", "running", "waiting", "unknown"]
Use = Literal[
    "used", "not_measured", "little_used", "idle", "failed", "aborted", "running", "unknown"
]

USES: tuple[Use, ...] = (
    "used", "not_measured", "little_used", "idle", "failed", "aborted", "running",
    "unknown",
)  # fmt: skip
WASTED: tuple[Use, ...] = ("failed", "idle", "little_used")
IDLE, LITTLE = 2, 15  # percent: a GPU's mean utilisation below which it was idle, or little used


class EarlierRun(NamedTuple):
    """The hours of a run of a job that went on after it.

    Attributes:
        started: seconds since 1970; None if it is not known, as for the next one.
        seconds: how long it ran.
        means: the mean utilisation of each GPU that was watched, in percent.
        before: of the seconds that it ran, those before the report's span.
    """

    started: float | None
    seconds: float | None
    means: tuple[int, ...] = ()
    before: float = 0


class JobRow(NamedTuple):
    """One submission of a job; a job that was continued has several. None: not known.

    A job that went on has several runs: `started`, `seconds`, `before` and `means` are of the last
    one.

    Attributes:
        project, job, user: where, as what (``Refine3D/job019``) and by whom it was submitted.
        type: the site's name of its job type.
        version: its image and version, ``relion 5.0.1``; "on the host" without an image.
        partition: "" if nobody tells.
        scheduler, where, job_id: who knows the job under which id, and the options that lead to the
            job's cluster.
        host: the machine on which it was submitted.
        token: tells the submission from all others.
        submitted, started: seconds since 1970.
        seconds: how long it ran.
        ended: when its end was noted, seconds since 1970.
        before: of the seconds that it ran, those before the report's span.
        gpus: how many it was given, on all nodes.
        asked_gpus, asked_seconds, asked_bytes: what it asked for, on all nodes; the memory of one.
        peak_bytes: the most host memory that it held, by the accounting.
        mps: whether the plan had its ranks share GPUs through MPS.
        outcome: how it ended.
        cause: why it failed, as a clause without names.
        cancelled: whether its user has asked for its end.
        several_ranks, reads_particles: whether its program ran as ranks, and reads particles.
        means: the mean utilisation of each GPU that was watched, in percent.
        accounted: whether the accounting has told its times.
        earlier: the runs of a job that went on, but for the last one; without those that the times
            of the last one cover.
        noted_runs: all runs of a job that went on, as its own notes tell them; none of another job.
    """

    project: str
    job: str
    user: str
    type: str
    version: str
    partition: str = ""
    scheduler: str = ""
    where: tuple[str, ...] = ()
    job_id: str | None = None
    host: str = ""
    token: str = ""
    submitted: float | None = None
    started: float | None = None
    seconds: float | None = None
    ended: float | None = None
    before: float = 0
    gpus: int = 0
    asked_gpus: int = 0
    asked_seconds: int | None = None
    asked_bytes: int | None = None
    peak_bytes: int | None = None
    mps: bool = False
    outcome: Outcome = "unknown"
    cause: str | None = None
    cancelled: bool = False
    several_ranks: bool = False
    reads_particles: bool = False
    means: tuple[int, ...] = ()
    accounted: bool = False
    earlier: tuple[EarlierRun, ...] = ()
    noted_runs: tuple[Run, ...] = ()

    @property
    def runs(self) -> tuple[EarlierRun, ...]:
        """All its runs; of a job that has not begun, one of which nothing is known."""
        return *self.earlier, EarlierRun(self.started, self.seconds, self.means, self.before)

    @property
    def waited(self) -> float | None:
        """Seconds from its submission to its start; not known by clocks that differ."""
        started = self.runs[0].started
        if started is None or self.submitted is None or started < self.submitted:
            return None
        return started - self.submitted

    @property
    def ran(self) -> float | None:
        """How many seconds it ran, in all its runs of which that is known."""
        known = [run.seconds for run in self.runs if run.seconds is not None]
        return sum(known) if known else None

    @property
    def counts_from(self) -> float | None:
        """When it first ran within the report's span (seconds since 1970)."""
        began = [run for run in self.runs if run.started is not None]
        within = (run for run in began if run.seconds is None or run.before < run.seconds)
        run = next(within, began[-1] if began else None)
        return None if run is None or run.started is None else run.started + run.before

    @property
    def gpu_hours(self) -> float | None:
        """GPUs that it was given, times the hours that it ran within the report's span."""
        known = [run.seconds - run.before for run in self.runs if run.seconds is not None]
        return self.gpus * sum(known) / 3600 if known else None

    @property
    def has_ended(self) -> bool:
        """Whether it ran and is over."""
        return self.outcome in ("succeeded", "failed", "aborted")


def hours_of(row: JobRow) -> Iterator[tuple[Use, float]]:
    """A job's GPU-hours by what became of them; each hour counts once.

    >>> row = JobRow("p", "j", "u", "t", "v", seconds=3600, gpus=3, means=(1, 80))
    >>> list(hours_of(row._replace(outcome="succeeded")))
    [('idle', 1.0), ('used', 1.0), ('not_measured', 1.0)]
    """
    for run in row.runs:
        each = 0 if run.seconds is None else (run.seconds - run.before) / 3600
        if not each or not row.gpus:
            continue
        if row.outcome == "succeeded":
            measured = run.means[: row.gpus]
            for mean in measured:
                yield "idle" if mean < IDLE else "little_used" if mean < LITTLE else "used", each
            if left := row.gpus - len(measured):
                yield "not_measured", each * left
        elif row.outcome in ("failed", "aborted", "running", "unknown"):
            yield row.outcome, each * row.gpus
        elif row.outcome == "waiting":  # to go on
            yield "running", each * row.gpus
