"""Why is a job as it is? From its record, and where that holds nothing, from a plan made now."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from ..config.configuration import Configuration, load_configuration
from ..errors import DispatchError
from ..jobs import entries
from ..jobs.closed_record import closed_to_this_user, what_to_do
from ..jobs.learned import learned_in
from ..jobs.read_job import is_without_queue
from ..jobs.record import RECORD, Record, Unreadable, look_for_record
from ..jobs.this_run import is_of_this_run
from ..planning.plan_now import plan_now
from ..relion.exit_files import end_of
from .from_now import MAY_DIFFER, decisions_from_now, typed_but_unknown
from .named_job import NamedJob, named_job
from .state import State, state_of

__all__ = ["Explanation", "When", "explanation"]

When = Literal["then", "now"]

_WITHOUT_QUEUE = (
    "RELION runs this job without the queue (do_queue in its job.star), so relion-dispatch decides "
    "nothing for it: a script or a record in its folder is an earlier run's."
)
_NO_SCRIPT = (
    "There is no plan, because there is no submission script: RELION writes it when it submits the "
    "job to the queue."
)


class Explanation(NamedTuple):
    """All that is known of a job.

    Attributes:
        plan: the job's plan, with the keys of the record (docs/provenance.md); None if there is
            none, and none can be made.
        planned: "then" if `plan` is the job's record, "now" if it was made now.
        decisions: the record's key of that name; None if nobody can tell.
        decided: whether `decisions` are those of then or of now.
        record: None if the job's last submission has none that can be read.
        notes: sentences on what this rests on.
    """

    job: NamedJob
    state: State
    plan: Mapping[str, Any] | None
    planned: When
    decisions: Mapping[str, Any] | None
    decided: When
    record: Record | None
    notes: tuple[str, ...]


class _Planned(NamedTuple):
    """A plan made now, or the sentence on why there is none; and one on what is not in it."""

    plan: Mapping[str, Any] | None
    decisions: Mapping[str, Any] | None
    problem: str
    untold: str = ""


def explanation(named: str) -> Explanation:
    """Explain the job that a user names. Changes nothing, and tells RELION nothing.

    Raises:
        InputError: there is no such job.
    """
    job = named_job(named)
    configuration, of_site = _configuration()
    if job.in_pipeline and is_without_queue(job.folder):
        state = _state(job, configuration, None)
        return _explained(job, state, _Planned(None, None, ""), None, [_WITHOUT_QUEUE])
    record, of_record = _record(job)
    state = _state(job, configuration, record)
    if record is None:
        now = _now(job, configuration, of_site)
        why = _no_plan(state, now.problem) if now.plan is None else _why_now(job, state)
        return _explained(job, state, now, None, [of_record, why, now.untold])
    then = _recorded(record)
    if then.decisions is not None:
        return _explained(job, state, then, record, [_by_whom(record), *record.problems])
    now = _now(job, configuration, of_site)
    said = [_by_whom(record), then.problem]
    if now.plan is None or now.decisions is None:
        said.append(_no_plan(state, now.problem))
        return _explained(job, state, then, record, [*said, *record.problems])
    try:
        taken, sentence = decisions_from_now(record.merged, now.plan, now.decisions)
    except ValueError as error:
        taken, sentence = None, f"A plan made now cannot be held against the record: {error}."
    said += [sentence, now.untold if taken else "", *record.problems]
    found = then._replace(decisions=taken)
    return _explained(job, state, found, record, said, None if taken is None else "now")


def _explained(
    job: NamedJob,
    state: State,
    found: _Planned,
    record: Record | None,
    notes: list[str],
    decided: When | None = None,
) -> Explanation:
    planned: When = "now" if record is None else "then"
    said = tuple(filter(None, notes))
    return Explanation(
        job, state, found.plan, planned, found.decisions, decided or planned, record, said
    )


def _record(job: NamedJob) -> tuple[Record | None, str]:
    """The record of the job's last submission, or a sentence on the one that cannot be read."""
    found = look_for_record(job.folder, of_any_run=True)
    if isinstance(found, Unreadable):
        todo = what_to_do(job.folder, "take that file from a backup of the project.")
        return None, f"{found}, so what was decided then is not known: {todo}"
    if found is None or is_of_this_run(job.folder, RECORD) or _was_copied(job, found):
        return found, ""
    return None, (
        "RELION has written the job's submission script since the job was last submitted "
        f"({found.dispatched or 'at a time that is not known'}): that record is an earlier run's."
    )


def _was_copied(job: NamedJob, record: Record) -> bool:
    """Whether the record came with its project, and has ended: the times of its files tell nothing,
    as a copied project has new ones."""
    return end_of(job.folder) is not None and record.project not in (None, job.project)


def _configuration() -> tuple[Configuration | None, str]:
    try:
        return load_configuration(), ""
    except DispatchError as error:
        return None, str(error)


def _state(job: NamedJob, configuration: Configuration | None, record: Record | None) -> State:
    try:
        return state_of(job, configuration.site if configuration else None, record)
    except DispatchError as error:  # RELION's list of jobs is damaged, or being written
        return State("Unknown", (str(error),))


def _now(job: NamedJob, configuration: Configuration | None, problem: str) -> _Planned:
    from ..job_script.launchers import settled
    from ..job_script.variables import NO_TOKEN

    if not os.path.lexists(job.script):
        return _Planned(None, None, "" if closed_to_this_user(job.folder) else _NO_SCRIPT)
    if configuration is None:
        return _Planned(None, None, problem)
    try:
        plan = settled(plan_now(job.script, configuration, learned_in), NO_TOKEN).plan
    except DispatchError as error:
        return _Planned(None, None, str(error))
    as_json = plan.as_json()
    decided = plan.decisions and plan.decisions.as_json(plan.reasons)
    return _Planned(as_json, decided, "", typed_but_unknown(as_json))


def _no_plan(state: State, problem: str) -> str:
    if problem in ("", _NO_SCRIPT):
        return problem
    if problem in state.sentences:
        return "A plan that is made now is refused with the same sentence."
    return f"No plan can be made now: {problem}"


def _why_now(job: NamedJob, state: State) -> str:
    if is_of_this_run(job.folder, RECORD):  # it cannot be read
        return f"This plan was made now, without it. {MAY_DIFFER}."
    if state.word == "Not submitted" and not os.path.lexists(job.folder / RECORD):
        return "This is the plan of now: the job has not been submitted."
    no_record = "There is no record of the job's last submission, so this plan was made now."
    return f"{no_record} {MAY_DIFFER}."


def _by_whom(record: Record) -> str:
    when = f", {record.dispatched[:16].replace('T', ' ')} UTC" if record.dispatched else ""
    return f"What was decided when {record.user or 'a user'} submitted the job{when}."


def _recorded(record: Record) -> _Planned:
    """The record as a plan; without decisions, the reason why it has none that can be used."""
    try:
        found = entries.object_of(record.merged, "decisions")
    except ValueError as error:
        return _Planned(record.merged, None, f"The record is not used in full: {error}.")
    version = record.merged.get("dispatcher_version")
    by = f"relion-dispatch {version}" if isinstance(version, str) else "another version"
    lacks = f"The record, written by {by}, does not hold what was passed over."
    return _Planned(record.merged, found, "" if found is not None else lacks)
