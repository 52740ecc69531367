"""Where is a job, and how did it end? A word for each job, and the sentences behind it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

from ..config.site import Site
from ..host.users import owner_of
from ..jobs.job import Job
from ..jobs.last_lines import last_sentence
from ..jobs.project_jobs import look
from ..jobs.record import RECORD, Record
from ..jobs.status import JobStatus, job_status
from ..relion.exit_files import STATES, end_of, exit_file
from ..relion.submission import SUBMISSION
from .named_job import NamedJob

__all__ = ["State", "state_of"]


class State(NamedTuple):
    """How a job stands.

    Attributes:
        word: "Not submitted", "Scheduled", "Refused", "Waits", "Runs", "Succeeded", "Failed",
            "Aborted" or "Unknown".
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
    status = job_status(job)
    word, sentences = _of_listed(job, status, record)
    return State(word, tuple(sentences), status)


def _by_its_folder(named: NamedJob, record: Record | None) -> State:
    """What exit files and the record tell of a job that RELION does not list."""
    end = end_of(named.folder)
    if end:
        said = last_sentence(named.folder / "run.err") if end != "SUCCESS" else None
        ran = record is not None and record.refused is None
        word = "Refused" if end == "FAILURE" and said and not ran else STATES[end]
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


def _as(record: Record) -> str:
    job_id = f" as job {record.job_id}" if record.job_id else ""
    return f"{job_id} of {record.scheduler}" if record.scheduler else job_id


def _of_listed(
    job: Job, status: JobStatus, record: Record | None
) -> tuple[str, Iterator[str] | list[str]]:
    if job.status in STATES.values():
        # Without a record of this run, what `status` says may be of an earlier one.
        said = last_sentence(job.errfile) if record is None else status["reason"]
        refused = job.status == "Failed" and (record is None or record.refused is not None)
        word = "Refused" if refused and said else job.status
        return word, _of_end(status, record, said if job.status != "Succeeded" else None)
    if job.status != "Running":
        return job.status or "Unknown", [f"RELION has it as {job.status.lower()}."]
    if record is None:
        return _without_record(job)
    if record.refused is not None:
        return "Refused", [record.refused]
    if not job.is_this_users:
        whose = owner_of(job.folder / RECORD)
        return "Runs", [f"It runs for RELION{_as(record)}; only {whose} sees it in the queue."]
    if job.other_host:
        return "Runs", [f"It runs on {job.other_host}: `relion-dispatch status` there sees it."]
    queued = job.queued
    if job.queue is None:
        return "Runs", [f"It runs for RELION{_as(record)}; the scheduler does not answer now."]
    if queued is None or job.queue.has_ended(queued):
        return "Unknown", [
            f"It runs for RELION{_as(record)}, but the queue no longer has it: `relion-dispatch "
            "status` finds out how it ended, and tells RELION."
        ]
    if job.queue.is_pending(queued) or (status["reason"] and not status["node"]):
        return "Waits", _waiting(status, record)
    return "Runs", _running(status, record)


def _without_record(job: Job) -> tuple[str, list[str]]:
    if job.problem:
        return "Unknown", [job.problem]
    if not (job.folder / SUBMISSION).exists():
        return "Runs", ["RELION runs it without the queue."]
    return "Not submitted", [
        "RELION has it as running, but there is no record of its submission: `relion-dispatch "
        "status` finds out whether it is being submitted."
    ]


def _waiting(status: JobStatus, record: Record) -> Iterator[str]:
    yield f"It waits{_as(record)}, submitted {_when(record.dispatched)}."
    reason, says = status["reason"], status["waits_for"]
    if says and reason and says != reason:
        yield f"Why: {says} ({reason})."
    elif says or reason:
        yield f"Why: {(says or reason or '').rstrip('.')}."


def _running(status: JobStatus, record: Record) -> Iterator[str]:
    node = f" on {status['node']}" if status["node"] else ""
    took = f", for {status['run_time']}" if status["run_time"] else ""
    yield f"It runs{node}{_as(record)}{took}."
    if status["iteration"] is not None:
        of = f" of {status['iterations']}" if status["iterations"] is not None else ""
        yield f"The last iteration that it has written is {status['iteration']}{of}."


def _of_end(status: JobStatus, record: Record | None, said: str | None) -> Iterator[str]:
    run = record.run if record else None
    if record and record.refused is None:
        took = status["seconds"]
        node = f" on {status['node']}" if status["node"] else ""
        after = f", after {timedelta(seconds=took)}" if took is not None else ""
        ended = f" {_when(run.ended)}" if run and run.ended else ""
        yield f"It ended{ended}{node}{_as(record)}{after}."
    if said:
        yield said


def _when(text: str | None) -> str:
    return f"{text[:16].replace('T', ' ')} UTC" if text else "at a time that is not known"
