"""Whether RELION and its user still want a submission, while it is on its way to the scheduler.

RELION calls the hook once for each run, and writes the submission script anew before it does.
Other callers (a wrapper that tries again, a user in a second terminal) may call it twice. And
while a scheduler does not answer, the job may be aborted, told to be over, or run again.
"""

from __future__ import annotations

from pathlib import Path

from ..jobs.hook_note import hook_at_work, is_being_submitted, is_this_process
from ..jobs.record import note, read_record
from ..jobs.tell import tell
from ..planning.plan import Plan
from ..refusal import say
from ..relion.exit_files import ABORT_NOW, end_of, exit_file

__all__ = ["give_way", "submitted_before"]


def submitted_before(folder: Path, name: str) -> str | None:
    """A sentence on the submission that another call has made of this run; None if none has.

    A submission that was refused, that has ended, or whose process died before it knew the job's
    id does not count: the job may be submitted anew.
    """
    record = read_record(folder)
    hook = hook_at_work(folder)
    if record is None and hook and not is_this_process(hook) and is_being_submitted(hook, folder):
        return (
            f"{name} is being submitted by process {hook.get('pid')} of {hook.get('host')}: "
            "this call does nothing."
        )
    if record is None or "run" in record or "refused" in record or end_of(folder):
        return None
    if job_id := record.get("job_id"):
        return (
            f"{name} was submitted before, as job {job_id}, and RELION has not asked for it again: "
            "this second call does nothing. If that job is gone, `relion-dispatch status` tells "
            "RELION so."
        )
    if is_being_submitted(record, folder):
        return (
            f"{name} is being submitted by process {record.get('pid')} of {record.get('host')}: "
            "this call does nothing."
        )
    return None


def give_way(plan: Plan, token: str) -> bool:
    """Give way where the submission `token` is wanted no longer; whether that was so.

    It is then not to be tried, or not again. That is where the job has ended for RELION, as
    ``status`` tells it of a job that seems never to be submitted; where its user aborts it, which
    RELION is told here; or where it was run again. Says why on standard error, and in the record.
    """
    folder = plan.project / plan.name
    if _is_overtaken(folder, token):
        say(f"relion-dispatch: {folder} was submitted anew meanwhile: this call ends.")
        return True
    end = end_of(folder)
    if end is None and (folder / ABORT_NOW).exists():
        sentence = "The job was aborted in RELION before it was submitted."
        tell(folder, plan.project / plan.errfile, "ABORTED", sentence, token)
        end = end_of(folder) or "ABORTED"
        exit_file(folder, end).touch()  # also where a clock makes the record seem an earlier run's
    if end is None:
        return False
    note(folder, token, refused=f"RELION_JOB_EXIT_{end} was there before the job was submitted.")
    say(f"relion-dispatch: {plan.name} has ended for RELION ({end}): it was not submitted.")
    return True


def _is_overtaken(folder: Path, token: str) -> bool:
    """Whether the job was run again meanwhile: then what becomes of it is the newer call's."""
    record = read_record(folder, of_any_run=True)
    return record is not None and record.get("token") != token
