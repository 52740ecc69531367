"""Handing a job script to its scheduler, by argument list and without a shell; once only.

The job's token goes with it. After an answer that leaves open whether the job was taken, the queue
is asked for the token before anything is tried again.
"""

from __future__ import annotations

import errno
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from .errors import SubmitError
from .jobs.job_queue import ask_queue
from .plan import Plan
from .scheduler import Scheduler, filled
from .scheduler_call import call, start_detached
from .submit_answer import Answer, read_answer

__all__ = ["Submitted", "submission_command", "submit", "submit_beside"]

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 15.0  # seconds between two attempts


class Submitted(NamedTuple):
    """The job id (None where nobody knows it yet), what the submit command printed, and what went
    wrong before, in order."""

    job_id: str | None
    output: str
    attempts: tuple[str, ...] = ()


def submission_command(scheduler: Scheduler, plan: Plan, token: str) -> list[str]:
    """The plan's submit command with the token in it."""
    *command, script = plan.submit_command
    marks = filled(scheduler.mark, token=token, name=plan.name)
    return [*command, *marks, script, *([token] if scheduler.detached else [])]


def submit(
    scheduler: Scheduler,
    argv: Sequence[str],
    project: Path,
    token: str,
    gives_way: Callable[[], bool],
) -> Submitted | None:
    """Run the submit command in the project's folder until the job is taken or refused for good.

    None when `gives_way` said before one more attempt that the job is wanted no longer.

    Raises:
        SubmitError: the command is missing; the scheduler refuses the job, or does not take it in
            time; or it does not answer, and nobody can say whether it took the job.
    """
    if scheduler.detached:
        return Submitted(str(_started(argv, project)), "")
    last_try = time.monotonic() + scheduler.retry
    pause = FIRST_PAUSE
    attempts: list[str] = []
    while True:
        answer, output = _attempt(scheduler, argv, project)
        if answer.job_id:
            return Submitted(answer.job_id, output, tuple(attempts))
        attempts.append(answer.sentence)
        waited = False
        while True:  # the queue may answer late, and Slurm may take the job after it was asked
            queue = ask_queue(scheduler, project)
            found = queue.job(token) if queue else None
            # Slurm keeps a job that it has refused for a while, among those that have ended.
            if found and (answer.outcome == "unclear" or (queue and queue.living(token))):
                attempts.append(f"the queue had it nevertheless, as job {found.job_id}")
                return Submitted(found.job_id, output, tuple(attempts))
            if answer.outcome == "refused":
                raise SubmitError(_sentence(answer))
            if queue and waited:
                if gives_way():
                    return None
                break
            if not scheduler.queue_command or time.monotonic() + pause > last_try:
                raise SubmitError(_given_up(answer, queue is not None, len(attempts)))
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            waited = True


def _given_up(answer: Answer, asked: bool, attempts: int) -> str:
    if asked:
        return (
            f"{_sentence(answer)}; the job is not in the queue, and was given up after {attempts} "
            f"attempt{'s' if attempts > 1 else ''}: submit it again later, or ask your admin."
        )
    return (
        f"{_sentence(answer)}; and the queue cannot be asked whether it has the job. If it is "
        "there, it ends by itself without running: submit it again later."
    )


def _attempt(scheduler: Scheduler, argv: Sequence[str], project: Path) -> tuple[Answer, str]:
    program = argv[0]
    try:
        done = call(scheduler, argv, project)
    except subprocess.TimeoutExpired:
        what = f'the submit command "{program}" did not answer within {scheduler.timeout:g} s'
        return Answer("unclear", None, what), ""
    except OSError as error:
        if error.errno == errno.EPIPE:  # the shell around the appliance
            what = f"nobody is left who could tell whether the job was taken ({error.strerror})"
            return Answer("unclear", None, what), ""
        raise _cannot_start(program, error) from error
    return read_answer(scheduler, program, done), (done.stdout + done.stderr).strip()


def _started(argv: Sequence[str], project: Path) -> int:
    try:
        return start_detached(argv, project)
    except OSError as error:
        raise _cannot_start(argv[0], error) from error


def _cannot_start(program: str, error: OSError) -> SubmitError:
    return SubmitError(
        f'The submit command "{program}" cannot be started ({error.strerror}): name it in '
        "site.json, or load the module that brings it."
    )


def _sentence(answer: Answer) -> str:
    return answer.sentence[0].upper() + answer.sentence[1:]


def submit_beside(scheduler: Scheduler, argv: Sequence[str], project: Path) -> str:
    """Submit what RELION does not wait for, with one attempt; its job id.

    Raises:
        SubmitError: it was not taken.
    """
    if scheduler.detached:
        return str(_started(argv, project))
    answer, _ = _attempt(scheduler, argv, project)
    if answer.job_id is None:
        raise SubmitError(_sentence(answer))
    return answer.job_id
