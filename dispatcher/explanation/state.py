"""Where is a job, and how did it end? A word for each job, and the sentences behind it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from ..config.site import Site
from ..host.users import owner_of
from ..jobs import entries
from ..jobs.between_runs import next_run, waits_for_resume, what_was_cut
from ..jobs.hook_process import hook_at_work, is_being_submitted
from ..jobs.job import Job
from ..jobs.last_lines import last_sentence
from ..jobs.project_jobs import look
from ..jobs.read_job import is_without_queue
from ..jobs.record import RECORD, Record
from ..jobs.repair import GRACE
from ..jobs.status import JobStatus, job_status
from ..jobs.this_run import is_of_this_run
from ..jobs.waiting import Wait, wait_of, with_reason_asked
from ..relion.exit_files import STATES, end_of, exit_file
from ..relion.submission import SUBMISSION
from ..units import count
from .named_job import NamedJob

__all__ = ["State", "state_of"]

_LOOK_AGAIN = "look again in a minute."


class State(NamedTuple):
    """How a job stands.

    Attributes:
        word: "Not submitted", "Scheduled", "Refused", "Waits", "Runs", "Succeeded", "Failed",
            "Aborted", "Unknown", or "Submitting" until the queue shows it.
        sentences: where it is or was, and how it ended.
        status: as ``relion-dispatch status`` has it; None for a job that RELION does not list.
    """

    word: str
    sentences: tuple[str, ...]
    status: JobStatus | None = None


def state_of(named: NamedJob, site: Site | None, record: Record | None) -> State:
    """How the job stands now. Asks its scheduler; tells RELION nothing, and changes nothing.

    `site` is None if its files cannot be read, `record` if the job's last submission has none.

    Raises:
        InputError: RELION's list of jobs cannot be read.
    """
    listed = look(named.project, site, {named.name}).jobs if site and named.in_pipeline else []
    if not listed:
        return _by_its_folder(named, record)
    job = listed[0]
    if is_without_queue(job.folder):
        word, sentences = _without_queue(job.status)
        return State(word, sentences, job_status(job._replace(record=None, problem=None)))
    if job.elsewhere == "ended":
        job = job._replace(record=job.last_record)
    job = with_reason_asked(job, named.project)
    status = job_status(job)
    word, said = _of_listed(job, status, record)
    return State(word, tuple(said), status)


def _by_its_folder(named: NamedJob, record: Record | None) -> State:
    """What exit files and the record tell of a job that RELION does not list."""
    end = end_of(named.folder)
    if end:
        said = last_sentence(named.folder / "run.err") if end != "SUCCESS" else None
        word = "Refused" if said and _is_refused(named.folder, record) else STATES[end]
        where = [f"{exit_file(named.folder, end).name} is in its folder."]
        return State(word, tuple([said] if said else where))
    if record is None:
        return State("Not submitted", ("The queue has not been asked to run it.",))
    return State(
        "Unknown",
        (
            f"It was submitted{_as(record)}. To see where it is, the site's files and RELION's "
            "list of the project's jobs have to be there.",
        ),
    )


def _is_refused(folder: Path, record: Record | None) -> bool:
    """Whether a job that failed never came into the queue: by its record, or without any that the
    hook wrote for this run."""
    if record is None:
        return not is_of_this_run(folder, RECORD)
    return record.refused is not None


def _as(record: Record, job_id: str | None = None) -> str:
    job_id = job_id or record.job_id
    if job_id is None:
        return f" (scheduler {record.scheduler})" if record.scheduler else ""
    return f" as job {job_id}{f' of {record.scheduler}' if record.scheduler else ''}"


def _without_queue(status: str) -> tuple[str, tuple[str, ...]]:
    if status == "Running":
        return "Runs", ("RELION runs it without the queue.",)
    if status in STATES.values():
        return status, ("RELION ran it without the queue.",)
    return status or "Unknown", (f"RELION has it as {status.lower()}.",)


def _of_listed(
    job: Job, status: JobStatus, record: Record | None
) -> tuple[str, Iterator[str] | list[str]]:
    if job.status in STATES.values():
        # Without a record of this run, what `status` says may be of an earlier one.
        said = last_sentence(job.errfile) if record is None else status["reason"]
        refused = job.status == "Failed" and _is_refused(job.folder, record)
        word = "Refused" if refused and said else job.status
        return word, _of_end(status, record, said if job.status != "Succeeded" else None)
    if job.status != "Running":
        return job.status or "Unknown", [f"RELION has it as {job.status.lower()}."]
    if job.elsewhere == "copied" and job.last_record:
        return "Unknown", [
            f"This folder is a copy: the job is that of {job.last_record.project}, where "
            f"`relion-dispatch explain {job.name}` tells of it. RELION is never told its end here: "
            "mark the job as failed in RELION's window, or run it again."
        ]
    if record is None:
        return _without_record(job)
    if record.refused is not None:
        return "Refused", [record.refused]
    if job.elsewhere == "ended":
        return _told_end(record), _of_end(status, record, record.run and record.run.reason)
    if not job.is_this_users:
        whose = owner_of(job.folder / RECORD)
        return "Runs", [f"It runs for RELION{_as(record)}; only {whose} sees it in the queue."]
    if job.other_host:
        return "Runs", [f"It runs on {job.other_host}: `relion-dispatch status` there sees it."]
    queued = job.queued
    if queued is None and record.job_id is None and is_being_submitted(record.hook, job.folder):
        return "Submitting", [f"It is being submitted{_as(record)}: {_LOOK_AGAIN}"]
    if job.queue is None:
        return "Runs", [f"It runs for RELION{_as(record)}; the scheduler does not answer now."]
    is_new = not record.runs and time.time() - _written(job.folder / RECORD) < GRACE
    if queued is None and is_new:
        return "Submitting", [
            f"It was submitted{_as(record)} a moment ago, and the queue does not show it yet: "
            f"{_LOOK_AGAIN}"
        ]
    if waits_for_resume(job):
        what = what_was_cut(job)
        return "Waits", [f"{what[0].upper()}{what[1:]}."]
    if queued is None or job.queue.has_ended(queued):
        return "Unknown", [
            f"It runs for RELION{_as(record)}, but the queue no longer has it: `relion-dispatch "
            "status` finds out how it ended, and tells RELION."
        ]
    if wait := wait_of(job):
        return "Waits", _waiting(wait, record, next_run(job), queued.job_id)
    return "Runs", _running(status, record)


def _told_end(record: Record) -> str:
    """RELION's word for the end that the job's script has told."""
    ending = (entries.object_of(record.merged, "run") or {}).get("ending")
    return next((word for end, word in STATES.items() if end == ending), "Unknown")


def _without_record(job: Job) -> tuple[str, list[str]]:
    if job.problem:
        return "Unknown", [job.problem]
    hook = hook_at_work(job.folder)
    if hook and is_being_submitted(hook, job.folder):
        return "Submitting", [f"It is being submitted: {_LOOK_AGAIN}"]
    if not (job.folder / SUBMISSION).exists():
        return "Runs", ["RELION runs it without the queue."]
    return "Not submitted", [
        "RELION has it as running, but there is no record of its submission: `relion-dispatch "
        "status` finds out whether it is being submitted."
    ]


def _waiting(wait: Wait, record: Record, following: int | None, job_id: str) -> Iterator[str]:
    if following:
        since = f", since {_when(wait.since)}" if wait.since else ""
        yield f"It waits to go on with run {following}{_as(record, job_id)}{since}."
    else:
        yield f"It waits{_as(record)}, submitted {_when(record.dispatched)}."
    reason, says = wait.reason, wait.says
    if says and reason and says != reason:
        yield f"Why: {says} ({reason})."
    elif says or reason:
        yield f"Why: {(says or reason or '').rstrip('.')}."


def _running(status: JobStatus, record: Record) -> Iterator[str]:
    node = f" on {status['node']}" if status["node"] else ""
    took = f", for {status['run_time']}" if status["run_time"] else ""
    number = record.runs[-1].number if record.runs else 1
    which = f", its run {number}" if number > 1 else ""
    yield f"It runs{node}{_as(record)}{which}{took}."
    if status["iteration"] is not None:
        of = f" of {status['iterations']}" if status["iterations"] is not None else ""
        yield f"The last iteration that it has written is {status['iteration']}{of}."


def _of_end(status: JobStatus, record: Record | None, said: str | None) -> Iterator[str]:
    run = record.run if record else None
    if record and record.refused is None:
        took = status["seconds"]
        node = f" on {status['node']}" if status["node"] else ""
        runs = f" in {count(len(record.runs), 'run')}" if record.runs[1:] else ""
        after = f", after {timedelta(seconds=took)}{runs}" if took is not None else ""
        ended = f" {_when(run.ended)}" if run and run.ended else ""
        yield f"It ended{ended}{node}{_as(record)}{after}."
    if said:
        yield said


def _written(file: Path) -> float:
    """When a file was written, in seconds since 1970; 0 if it is gone."""
    try:
        return file.stat().st_mtime
    except OSError:
        return 0


def _when(text: str | None) -> str:
    return f"{text[:16].replace('T', ' ')} UTC" if text else "at a time that is not known"
