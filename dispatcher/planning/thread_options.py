"""The threads that commands ask for by an option: taken, told as not counted, or refused."""

from __future__ import annotations

from collections.abc import Iterator

from ..relion.programs import lookup
from ..units import count, whole_number
from .unplaced_job import UnplacedJob

__all__ = ["asked_by_programs_of_relion", "given_threads", "not_counted"]

_FOREIGN = ("j",)  # RELION writes --j into every External job


def given_threads(job: UnplacedJob) -> str | None:
    """What the main command's option says; None if it says nothing that can be counted.

    The node expands a variable, and a program that is not RELION's may take any word.
    """
    options = _options(job)
    text = job.request.submission.main.value(options[0]) if options else None
    return None if not text or _is_for_others(job, text) else text


def asked_by_programs_of_relion(job: UnplacedJob) -> Iterator[tuple[str, str]]:
    """Option and value of each number of threads that a program of RELION reads as it is here."""
    submission = job.request.submission
    beside = [each for each in submission.commands if each is not submission.main]
    for command in (*(() if job.is_foreign else (job.command,)), *beside):
        for option in lookup(command.program).threads:
            text = command.value(option.lstrip("-"))
            if text and "$" not in text:
                yield option, text


def not_counted(job: UnplacedJob, nthread: int) -> tuple[str, ...]:
    """A sentence on each value of the main command that is passed over for `nthread` threads."""
    main = job.request.submission.main
    values = {option: main.value(option) for option in _options(job)}
    return tuple(
        f"--{option} {text[:40]} is no whole number from 1 here, and does not count: the job gets "
        f"{count(nthread, 'core')} for each rank."
        for option, text in values.items()
        if text and _is_for_others(job, text)
    )


def _options(job: UnplacedJob) -> tuple[str, ...]:
    if job.is_foreign:
        return _FOREIGN
    return tuple(option.lstrip("-") for option in lookup(job.command.program).threads)


def _is_for_others(job: UnplacedJob, text: str) -> bool:
    """Whether the value is none that counts, but may mean something to the node or the program."""
    return (job.is_foreign and (whole_number(text) or 0) < 1) or "$" in text
