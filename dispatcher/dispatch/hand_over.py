"""Hand the job to the scheduler: it is queued, or can never run.

A signal may interrupt this process meanwhile, and the scheduler may leave open whether it took the
job.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ..config.scheduler import Scheduler
from ..errors import SubmitError
from ..interruption import ignore_signals, raise_if_interrupted
from ..jobs.claim import claiming_job, give_up, is_claimed
from ..planning.plan import Plan
from ..refusal import described
from ..scheduler.calls import ask_queue
from ..scheduler.clusters import options_in
from ..scheduler.submit import Submitted, submit
from .second_call import give_way
from .write_record import note

__all__ = ["hand_over"]


def hand_over(
    scheduler: Scheduler, argv: Sequence[str], plan: Plan, token: str
) -> Submitted | None:
    """The job that the scheduler has taken; None if nobody wants the job any longer.

    If the scheduler did not take the job, or nobody can say whether it did, the job can never run
    from then on. Once the job is taken, this process ignores signals: RELION must no longer be told
    that the job failed.

    Raises:
        SubmitError: the scheduler did not take the job, or nobody can say whether it did.
    """
    if give_way(plan, token):
        return None
    try:
        return _submitted(scheduler, argv, plan, token)
    except BaseException:
        if give_way(plan, token):
            return None
        raise


def _submitted(
    scheduler: Scheduler, argv: Sequence[str], plan: Plan, token: str
) -> Submitted | None:
    folder = plan.project / plan.name
    try:
        raise_if_interrupted()
        submitted = submit(
            scheduler,
            argv,
            plan.project,
            token,
            lambda: _begun(folder, token),
            lambda: give_way(plan, token),
        )
        ignore_signals()  # in here: a signal that comes just now is too late to stop the job
    except KeyboardInterrupt:
        ignore_signals()
        return _taken_meanwhile(scheduler, plan, token)
    except BaseException as error:  # of a library, too: the scheduler may have the job
        ignore_signals()
        if give_up(folder, token):
            note(folder, token, refused=described(error))
            raise
        # Whatever the submit command said, the job's script runs.
        return Submitted(None, "", (described(error),))
    if submitted is None:
        give_up(folder, token)  # the scheduler may still take an earlier attempt
    return submitted


def _begun(folder: Path, token: str) -> str | None:
    if not is_claimed(folder, token):
        return None
    with suppress(ValueError):
        return claiming_job(folder, token) or ""
    return ""


def _taken_meanwhile(scheduler: Scheduler, plan: Plan, token: str) -> Submitted:
    """The job, if the scheduler took it before a signal interrupted the submit command."""
    queue = ask_queue(scheduler, plan.project, options_in(scheduler, plan.submit_command))
    found = queue.job(token) if queue else None
    if found:
        said = ("the submission was interrupted, but the queue has the job",)
        return Submitted(found.job_id, "", said, found.cluster or None)
    if not give_up(plan.project / plan.name, token):
        return Submitted(None, "", ("the submission was interrupted, but the job's script runs",))
    sentence = "The submission was interrupted" + (
        ", and the job is not in the queue: submit the job again."
        if queue
        else ". If the job is in the queue, that job ends by itself without running: submit the "
        "job again."
    )
    note(plan.project / plan.name, token, refused=sentence)
    raise SubmitError(sentence)
