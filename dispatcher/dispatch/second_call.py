"""Stop if this submission was already made, aborted or superseded.

RELION calls the hook once for each run, and writes the submission script again before that.
Other callers (a wrapper that tries again, a user in a second terminal) may call the hook twice. And
while a scheduler does not answer, the user may abort the job or run it again, and `status` may tell
RELION that the job has failed.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ..host.shared_files import shared_folder
from ..jobs.abort import how_aborted
from ..jobs.closed_record import what_to_do
from ..jobs.hook_process import HookProcess, hook_at_work, is_being_submitted
from ..jobs.record import Record, Unreadable, look_for_record, read_record
from ..jobs.tell import tell
from ..jobs.this_run import is_of_this_run
from ..planning.plan import Plan
from ..refusal import say
from ..relion.exit_files import end_of, exit_file, wants_abort
from ..relion.submission import SUBMISSION
from .write_record import note

__all__ = ["give_way", "submitted_before"]


def submitted_before(folder: Path, name: str) -> str | None:
    """A sentence if another call submits, or has submitted, this run of the job; else None.

    A submission does not count if it was refused, if it has ended, or if its hook died before the
    hook knew the job's id: then the job may be submitted again.
    """
    record = look_for_record(folder)
    if not isinstance(record, Record):
        hook = hook_at_work(folder)
        if hook is not None and hook != HookProcess.own():
            return _being_submitted(name, hook, folder)
        return _may_be_submitted(name, folder, record)
    if record.run or record.refused is not None or end_of(folder):
        return None
    if record.job_id:
        return (
            f"{name} was submitted before, as job {record.job_id}, and RELION has not submitted "
            f"the job again: this second call does nothing. If job {record.job_id} no longer "
            "exists, `relion-dispatch status` tells RELION so."
        )
    return _being_submitted(name, record.hook, folder)


def _may_be_submitted(name: str, folder: Path, record: Unreadable | None) -> str | None:
    """A sentence if nobody can tell whether this run was submitted.

    Its record cannot be read, and a job script was written since RELION wrote its own: hooks write
    both, in this order.
    """
    if record is None or not is_of_this_run(folder, f"{SUBMISSION}.run"):
        return None
    remedy = what_to_do(
        folder, "if no queue has the job, remove that file, and run the job again in RELION."
    )
    return (
        f"{record}, so nobody can tell whether {name} was submitted, and this call does nothing: "
        f"{remedy}"
    )


def _being_submitted(name: str, hook: HookProcess, folder: Path) -> str | None:
    if None in hook or not is_being_submitted(hook, folder):  # each hook says which process it is
        return None
    return (
        f"{name} is being submitted by process {hook.pid} of {hook.host}: this call does nothing."
    )


def give_way(plan: Plan, token: str) -> bool:
    """Stop if nobody wants the submission `token` any longer; return whether that is so.

    Nobody wants the submission if the job has ended for RELION (``status`` may have told RELION
    so), if its user has aborted the job, or if the job was run again. RELION is told of the abort
    here. The reason goes to standard error and into the record.
    """
    folder = plan.project / plan.name
    if _is_overtaken(folder, token):
        say(f"relion-dispatch: {folder} was submitted again meanwhile: this call ends.")
        return True
    end = end_of(folder)
    if end is None and wants_abort(folder):
        sentence = f"The job was {how_aborted(folder)} before it was submitted."
        tell(folder, plan.project / plan.errfile, "ABORTED", sentence, token)
        end = end_of(folder) or "ABORTED"
        with suppress(OSError), shared_folder(folder) as opened:
            # Also if a wrong clock makes the record seem too old.
            opened.touch(exit_file(folder, end).name)
    if end is None:
        return False
    note(folder, token, refused=f"RELION_JOB_EXIT_{end} existed before the job was submitted.")
    say(
        f"relion-dispatch: {plan.name} has already ended for RELION ({end}): relion-dispatch does "
        "not submit the job."
    )
    return True


def _is_overtaken(folder: Path, token: str) -> bool:
    """Whether the job was run again meanwhile: then only the newer call answers for it."""
    record = read_record(folder, of_any_run=True)
    return record is not None and record.token != token
