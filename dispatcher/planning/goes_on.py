"""Does the job go on by itself after an end from outside, and how do its commands?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ..config.goes_on import CAUSES, Cause, GoesOnSetting, goes_on_setting
from ..config.site import Site
from ..relion.command import Command
from ..relion.continuation import Again, again
from ..units import count
from .chosen_scheduler import ChosenScheduler
from .unplaced_job import UnplacedJob

__all__ = ["GoesOn", "GoingOn", "going_on"]


class GoesOn(NamedTuple):
    """After which ends the job goes on, and how often.

    Attributes:
        after: the causes that it survives, in its scheduler's order.
        at_most: how many times it goes on; it runs once more often.
        gives_up_after: how many runs in a row may bring no new iteration and no new output.
    """

    after: tuple[Cause, ...]
    at_most: int
    gives_up_after: int

    def as_json(self) -> dict[str, Any]:
        """The record's ``goes_on``."""
        return {**self._asdict(), "after": list(self.after)}


class GoingOn(NamedTuple):
    """What was decided: None for a job that does not go on; why; and how each command does."""

    goes_on: GoesOn | None = None
    reason: str = ""
    commands: tuple[Again | None, ...] = ()


def going_on(
    job: UnplacedJob,
    main: Command,
    commands: Sequence[Command],
    site: Site,
    chosen: ChosenScheduler,
) -> GoingOn:
    """Decide; `main` is the one of `commands`, as they will run, that decided the job type.

    There is no reason if nobody asked for it.
    """
    of_type = job.job_type.nearest("goes_on")
    said = site.goes_on if of_type is None else of_type
    setting = goes_on_setting(said, job.wishes.goes_on)
    if setting is None:
        return GoingOn()
    if job.starts_its_ranks:
        return _not("the Pipeliner's job runner can only begin anew")
    if job.is_foreign:
        return _not("the dispatcher does not know how the user's own program goes on")
    name, version = job.request.submission.job, job.relion_version
    found = again(main, name, version)
    if isinstance(found, str):
        return _not(found)
    survives = chosen.scheduler.goes_on_after
    after = tuple(each for each in survives if each in setting.after)
    if not after:
        lost = _in_words(setting.after)
        return _not(f"jobs of the scheduler {chosen.name} cannot go on after {lost}")
    every = [found if each is main else again(each, name, version) for each in commands]
    return GoingOn(
        GoesOn(after, setting.at_most, setting.gives_up_after),
        _on(setting, after, chosen.name),
        tuple(None if isinstance(each, str) else each for each in every),
    )


def _not(clause: str) -> GoingOn:
    return GoingOn(reason=f"The job does not go on by itself, because {clause}.")


def _on(setting: GoesOnSetting, after: Sequence[Cause], scheduler: str) -> str:
    """What the job survives, how often, and what it does not, though somebody named it."""
    runs = setting.gives_up_after
    nothing_new = f"{runs} runs in a row bring" if runs > 1 else "a run brings"
    others = [each for each in setting.after if each not in after]
    not_after = ""
    if others and setting.after != GoesOnSetting().after:
        lost = _in_words(others)
        not_after = f" Not after {lost}, which jobs of the scheduler {scheduler} do not survive."
    often = count(setting.at_most, "time")
    return (
        f"The job goes on by itself after {_in_words(after)}, at most {often}, "
        f"unless {nothing_new} nothing new.{not_after}"
    )


def _in_words(causes: Iterable[Cause]) -> str:
    """'preemption or the loss of its node'."""
    *before, last = [CAUSES[each] for each in causes]
    return f"{', '.join(before)} or {last}" if before else last
