"""The figures of a report: sums and spreads, to which jobs are added one by one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from .job_row import IDLE, LITTLE, USES, WASTED, JobRow, Outcome, Use, hours_of
from .most_runs import MostRuns
from .spread import Spread

__all__ = ["Figures", "Group", "Ways", "by_hours"]

_WEEK = 7 * 24 * 3600
_MONDAY = 4 * 24 * 3600  # the first one since 1970-01-01, a Thursday


class Group:
    """Jobs that have something in common.

    Attributes:
        jobs: how many by their outcome.
        hours: GPU-hours by what became of them.
        unknown: jobs with GPUs that ran, or may have run, of which nobody tells how long.
    """

    def __init__(self) -> None:
        self.jobs: Counter[Outcome] = Counter()
        self.hours: Counter[Use] = Counter()
        self.unknown = 0

    def add(self, row: JobRow, its_hours: Iterable[tuple[Use, float]]) -> None:
        """Add a job, and its GPU-hours."""
        self.jobs[row.outcome] += 1
        for use, hours in its_hours:
            self.hours[use] += hours  # type: ignore[assignment]  # a Counter of hours
        if row.gpus and row.gpu_hours is None and row.outcome not in ("refused", "waiting"):
            self.unknown += 1

    @property
    def gpu_hours(self) -> float:
        """All of them."""
        return sum(self.hours[use] for use in USES)

    @property
    def wasted(self) -> float:
        """Those of failed jobs, and of GPUs that were idle or little used."""
        return sum(self.hours[use] for use in WASTED)

    @property
    def measured(self) -> float:
        """Those of successful jobs whose GPUs were watched."""
        return sum(self.hours[use] for use in ("used", "little_used", "idle"))


class Ways(NamedTuple):
    """Jobs of one type that ran in one way: seconds, and the mean utilisation of the GPUs in %."""

    seconds: Spread
    means: Spread


class Figures:
    """All that a report tells of the jobs that were added.

    Attributes:
        total: all jobs.
        users, projects, types, versions: the same by what they have in common.
        causes: failed and refused jobs by their cause.
        user_causes: why each user's jobs failed.
        waits: seconds from submission to start, by partition.
        time_asked, time_used: of each type's successful jobs, the seconds asked for (for each
            run), and the part of these that was used.
        memory_asked, memory_used: the same in bytes, where the accounting tells the peak.
        gpus_asked, gpus_used: GPUs of successful jobs, by type: those that were watched, and of
            these the ones that were not idle.
        with_ranks, reading: types whose programs run as ranks, and that read particles.
        readers: users of whose jobs some read particles, and little used a GPU.
        mps: successful jobs with GPUs, by type and by whether MPS was planned.
        weeks: GPU-hours by the week (its Monday, seconds since 1970, UTC) in which a job started.
        cells: jobs by type, version, partition and outcome.
        accounted: how many jobs' times the accounting has told.
        went_on: runs after which jobs went on, by what ended the run.
        most_runs: the jobs that went on.
    """

    def __init__(self) -> None:
        self.total = Group()
        self.users: defaultdict[str, Group] = defaultdict(Group)
        self.projects: defaultdict[str, Group] = defaultdict(Group)
        self.types: defaultdict[str, Group] = defaultdict(Group)
        self.versions: defaultdict[str, Group] = defaultdict(Group)
        self.causes: defaultdict[str, Group] = defaultdict(Group)
        self.user_causes: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.waits: defaultdict[str, Spread] = defaultdict(Spread)
        self.time_asked: defaultdict[str, Spread] = defaultdict(Spread)
        self.time_used: defaultdict[str, Spread] = defaultdict(Spread)
        self.memory_asked: defaultdict[str, Spread] = defaultdict(Spread)
        self.memory_used: defaultdict[str, Spread] = defaultdict(Spread)
        self.gpus_asked: Counter[str] = Counter()
        self.gpus_used: Counter[str] = Counter()
        self.with_ranks: set[str] = set()
        self.reading: set[str] = set()
        self.readers: set[str] = set()
        self.mps: dict[tuple[str, bool], Ways] = {}
        self.weeks: defaultdict[int, Group] = defaultdict(Group)
        self.cells: defaultdict[tuple[str, str, str], Group] = defaultdict(Group)
        self.accounted = 0
        self.went_on: Counter[str] = Counter()
        self.most_runs = MostRuns()

    def add(self, row: JobRow) -> None:
        """Add a job."""
        groups = [
            self.total,
            self.users[row.user],
            self.projects[row.project],
            self.types[row.type],
            self.versions[row.version],
            self.cells[row.type, row.version, row.partition],
        ]
        if row.cause:
            groups.append(self.causes[row.cause])
            self.user_causes[row.user][row.cause] += 1
        if (begins := row.counts_from) is not None:
            groups.append(self.weeks[_monday(begins)])
        its_hours = list(hours_of(row))
        for group in groups:
            group.add(row, its_hours)
        self.accounted += row.accounted
        if row.waited is not None:
            self.waits[row.partition].add(row.waited)
        self.went_on.update(run.why for run in row.noted_runs if run.why)
        self.most_runs.add(row)
        if row.outcome == "succeeded" and (ran := row.ran) is not None:
            self._add_success(row, ran)

    def _add_success(self, row: JobRow, seconds: float) -> None:
        if row.asked_seconds:
            self.time_asked[row.type].add(row.asked_seconds)
            self.time_used[row.type].add(seconds / row.asked_seconds / len(row.runs))
        if row.asked_bytes and row.peak_bytes is not None:
            self.memory_asked[row.type].add(row.asked_bytes)
            self.memory_used[row.type].add(row.peak_bytes / row.asked_bytes)
        if row.means:
            self.gpus_asked[row.type] += len(row.means)
            self.gpus_used[row.type] += sum(mean >= IDLE for mean in row.means)
        if row.several_ranks:
            self.with_ranks.add(row.type)
        if row.reads_particles:
            self.reading.add(row.type)
            if any(mean < LITTLE for mean in row.means):
                self.readers.add(row.user)
        if row.gpus:
            ways = self.mps.setdefault((row.type, row.mps), Ways(Spread(), Spread()))
            ways.seconds.add(seconds)
            if row.means:
                ways.means.add(sum(row.means) / len(row.means))

    @classmethod
    def of(cls, rows: Iterable[JobRow]) -> Figures:
        """The figures of these jobs."""
        figures = cls()
        for row in rows:
            figures.add(row)
        return figures


def by_hours(groups: Mapping[str, Group]) -> list[tuple[str, Group]]:
    """The groups, the one with most GPU-hours first; those of as many by jobs, then by name."""
    return sorted(
        groups.items(), key=lambda each: (-each[1].gpu_hours, -each[1].jobs.total(), each[0])
    )


def _monday(moment: float) -> int:
    return int((moment - _MONDAY) // _WEEK * _WEEK + _MONDAY)
