"""Does the job go on by itself after an end from outside, and how do its commands?"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..config.ends_from_outside import CAUSES, MEMORIES, OF_SCHEDULERS, Cause
from ..config.goes_on import GoesOnSetting, goes_on_setting
from ..config.scheduler import Scheduler
from ..units import count
from .chosen_scheduler import ChosenScheduler
from .placed_job import PlacedJob
from .unplaced_job import UnplacedJob

if TYPE_CHECKING:  # few jobs go on
    from ..relion.continuation import Continuation
    from .ladder import Ladder

__all__ = ["FurtherRuns", "Verdict", "goes_on_in_words", "in_words", "whether_it_goes_on"]


class FurtherRuns(NamedTuple):
    """After which ends the job goes on, and how often.

    Attributes:
        after: the causes that it survives, in its scheduler's order, full memories last.
        at_most: how many times it goes on, so it has one run more at most.
        gives_up_after: how many runs in a row may bring no new iteration and no new output.
        ladder: what the job tries after a full memory.
        queued_ahead: how many of the next runs are queued behind the job at its submission.
    """

    after: tuple[Cause, ...]
    at_most: int
    gives_up_after: int
    ladder: Ladder
    queued_ahead: int = 0

    def as_json(self) -> dict[str, Any]:
        """The record's ``goes_on``."""
        rows = {
            name: list(values)
            for name, values in self.ladder._asdict().items()
            if values and name != "fewer_per_gpu"
        }
        return {
            "after": list(self.after),
            "at_most": self.at_most,
            "gives_up_after": self.gives_up_after,
            "queued_ahead": self.queued_ahead,
            **rows,
        }

    def but_not_after(self, lost: Collection[Cause]) -> FurtherRuns | None:
        """The same without these causes; None if none is left."""
        after = tuple(each for each in self.after if each not in lost)
        return self._replace(after=after, ladder=self.ladder.only(after)) if after else None

    def without_needless(self) -> FurtherRuns:
        """The same with nothing in the queue, if a full memory is all that the job survives."""
        return self if {*self.after} - {*MEMORIES} else self._replace(queued_ahead=0)


class Verdict(NamedTuple):
    """What was decided.

    Attributes:
        goes_on: None for a job that does not go on.
        reason: a sentence that says why, or after what; '' if nobody asked for it.
        continuations: how each of the job's commands goes on; none for a job that does not.
    """

    goes_on: FurtherRuns | None = None
    reason: str = ""
    continuations: tuple[Continuation | None, ...] = ()


def whether_it_goes_on(job: UnplacedJob, placed: PlacedJob, chosen: ChosenScheduler) -> Verdict:
    """Decide, for a job whose commands are as they will run."""
    of_type = job.job_type.nearest("goes_on")
    said = placed.site.goes_on if of_type is None else of_type
    setting = goes_on_setting(said, job.wishes.goes_on)
    if setting is None:
        return Verdict()
    if job.starts_its_ranks:
        return _not("the Pipeliner's job runner can only begin anew")
    if job.is_foreign:
        return _not("the dispatcher does not know how the user's own program goes on")
    from ..relion.continuation import continued
    from .ladder import ladder

    name, version = job.request.submission.job, job.relion_version
    found = continued(placed.main, name, version)
    if isinstance(found, str):
        return _not(found)
    ahead = _queued_ahead(setting, chosen.scheduler)
    rows = ladder(placed, _raises_memory(chosen.scheduler, ahead))
    can_begin = _can_begin(chosen.scheduler, ahead)
    of_scheduler = chosen.scheduler.goes_on_after if can_begin else []
    survives = (*of_scheduler, *(each for each in MEMORIES if rows.helps(each)))
    named = OF_SCHEDULERS if setting.after is None else setting.after
    after = tuple(each for each in survives if each in named)
    but = "" if can_begin else ', with "queued_ahead": 0,'
    not_after = _not_after(named, after, f"{chosen.name}{but}")
    if not after:
        return _not(not_after)
    every = [
        found if each is placed.main else continued(each, name, version) for each in placed.commands
    ]
    runs = FurtherRuns(
        after, setting.at_most, setting.gives_up_after, rows.only(after), ahead
    ).without_needless()
    return Verdict(
        runs,
        goes_on_in_words(runs, "" if setting.after is None else not_after),
        tuple(None if isinstance(each, str) else each for each in every),
    )


def _queued_ahead(setting: GoesOnSetting, scheduler: Scheduler) -> int:
    """How many of the next runs are queued behind the job at its submission."""
    if scheduler.next_run is None:
        return 0
    wanted = setting.queued_ahead
    return min(scheduler.next_run.queued_ahead if wanted is None else wanted, setting.at_most)


def _can_begin(scheduler: Scheduler, ahead: int) -> bool:
    """Whether anybody starts a next run. A scheduler whose file has next runs queued ahead cannot
    start a job again."""
    return ahead > 0 or scheduler.next_run is None or scheduler.next_run.queued_ahead == 0


def _raises_memory(scheduler: Scheduler, ahead: int) -> bool:
    """Whether the job's script can ask for more memory in the queue. Where next runs are queued
    ahead, its node may not call the scheduler."""
    return scheduler.raises_memory and scheduler.memory_per != "none" and ahead == 0


def _not(clause: str) -> Verdict:
    return Verdict(reason=f"The job does not go on by itself, because {clause}.")


def goes_on_in_words(job: FurtherRuns, not_after: str = "") -> str:
    """What the job survives, how often, and a clause on what it does not."""
    runs = job.gives_up_after
    nothing_new = f"{runs} runs in a row bring" if runs > 1 else "a run brings"
    but = f" But {not_after}." if not_after else ""
    often, ahead = count(job.at_most, "time"), job.queued_ahead
    runs_ahead = f"{ahead} next runs wait" if ahead > 1 else "1 next run waits"
    queued = f" From its submission on, {runs_ahead} in the queue behind it." if ahead else ""
    return (
        f"The job goes on by itself after {in_words(job.after)}, at most {often}, "
        f"unless {nothing_new} nothing new.{queued}{but}"
    )


def _not_after(named: Sequence[Cause], after: Sequence[Cause], scheduler: str) -> str:
    """A clause on what the job does not survive, though it should; '' if there is nothing."""
    lacks = [each for each in named if each not in after]
    of_scheduler = [each for each in lacks if each not in MEMORIES]
    of_job = [each for each in lacks if each in MEMORIES]
    clauses = []
    if of_scheduler:
        lost = in_words(of_scheduler)
        clauses.append(f"jobs of the scheduler {scheduler} cannot go on after {lost}")
    if of_job:
        clauses.append(f"this one has nothing left to try after {in_words(of_job)}")
    return ", and ".join(clauses)


def in_words(causes: Iterable[Cause]) -> str:
    """'preemption or the loss of its node'."""
    *before, last = [CAUSES[each].survived for each in causes]
    return f"{', '.join(before)} or {last}" if before else last
