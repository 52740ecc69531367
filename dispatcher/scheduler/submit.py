"""The submit command: run, its answer read, tried again only after the queue was asked.

The job's token goes with it. After an answer that leaves open whether the job was taken, the queue
is asked for the token before anything is tried again.
"""

from __future__ import annotations

import errno
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ..config.scheduler import Scheduler, filled
from ..errors import SubmitError
from ..planning.plan import Plan
from .answers import Queue, QueuedJob, SubmitAnswer
from .calls import ask_queue, hand_over, start_detached
from .clusters import options_in
from .dialect import dialect
from .no_way import NoWayError

__all__ = ["Submitted", "marked_command", "submit", "submit_without_retry"]

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 15.0  # seconds between two attempts


class Submitted(NamedTuple):
    """The job id (None if nobody knows it yet), what the submit command printed, what went wrong
    before, in order, and the job's cluster if the scheduler has named it."""

    job_id: str | None
    output: str
    attempts: tuple[str, ...] = ()
    cluster: str | None = None


def marked_command(scheduler: Scheduler, plan: Plan, token: str) -> list[str]:
    """The plan's submit command with the token in it."""
    *command, script = plan.submit_command
    marks = filled(scheduler.mark, token=token, name=plan.name)
    return [*command, *marks, script, *([token] if scheduler.detached else [])]


def submit(
    scheduler: Scheduler,
    argv: Sequence[str],
    project: Path,
    token: str,
    begun: Callable[[], str | None],
    give_way: Callable[[], bool],
) -> Submitted | None:
    """Run the submit command in the project's folder until the job is taken or refused for good.

    `begun` tells the id of the job whose script has begun, "" if that is not known, None if none
    has: a short job may have left the queue before the queue is asked. None if `give_way` said,
    before one more attempt, that the job is no longer wanted.

    Raises:
        SubmitError: the command is missing; the scheduler refuses the job, or does not take it in
            time; or it does not answer, and nobody can say whether it took the job.
    """
    if scheduler.detached:
        return Submitted(str(_started(scheduler, argv, project)), "")
    pauses = _pauses(until=time.monotonic() + scheduler.retry)
    where = options_in(scheduler, argv)
    attempts: list[str] = []
    while True:
        answer, output = _attempt(scheduler, argv, project)
        if answer.job_id:
            return Submitted(answer.job_id, output, tuple(attempts), answer.cluster)
        attempts.append(answer.sentence)
        queue = ask_queue(scheduler, project, where)
        found = _taken(queue, token, answer)
        if answer.outcome == "refused" and not found:
            raise SubmitError(
                f"{_sentence(answer)}: choose another queue in RELION's window, or show this line "
                "to your admin."
            )
        asked_again = False  # the queue may answer late, and the job may be taken after it did
        while not found and not (asked_again and answer.outcome == "unclear"):
            pause = next(pauses, None)
            if pause is None or not scheduler.queue_command:
                raise SubmitError(_given_up(answer, queue is not None, len(attempts)))
            time.sleep(pause)
            queue = ask_queue(scheduler, project, where)
            found = _taken(queue, token, answer)
            asked_again = queue is not None
        if found:
            attempts.append(f"the queue has the job, as job {found.job_id}")
            return Submitted(found.job_id, output, tuple(attempts), found.cluster or None)
        if (job_id := begun()) is not None:
            attempts.append("the queue does not have the job, but the job's script has begun")
            return Submitted(job_id or None, output, tuple(attempts))
        if give_way():
            return None


def _pauses(until: float) -> Iterator[float]:
    """How long to wait before the queue is asked again: 1, 2, 4, 8, 15, 15 … seconds."""
    pause = FIRST_PAUSE
    while time.monotonic() + pause <= until:
        yield pause
        pause = min(pause * 2, LONGEST_PAUSE)


def _taken(queue: Queue | None, token: str, answer: SubmitAnswer) -> QueuedJob | None:
    """The job in the queue, in which a job that was refused may stay for a while, as ended."""
    if queue is None:
        return None
    found = queue.job(token)
    return found if answer.outcome != "refused" or queue.living(token) else None


def _given_up(answer: SubmitAnswer, asked: bool, attempts: int) -> str:
    if answer.outcome == "taken":
        does_not = "does not have the job" if asked else "does not answer whether it has the job"
        return (
            f"{_sentence(answer)}, and the queue {does_not}. If the scheduler has taken the job, "
            "that job ends by itself without running: show this line to your admin, who can "
            'correct "job_id" of the scheduler to read what the command prints.'
        )
    if asked:
        return (
            f"{_sentence(answer)}; the job is not in the queue, and relion-dispatch gave up after "
            f"{attempts} attempt{'s' if attempts > 1 else ''}: submit the job again later, or ask "
            "your admin."
        )
    return (
        f"{_sentence(answer)}, and the queue does not answer whether it has the job. If the queue "
        "has the job, that job ends by itself without running: submit the job again later."
    )


def _attempt(scheduler: Scheduler, argv: Sequence[str], project: Path) -> tuple[SubmitAnswer, str]:
    program = argv[0]
    try:
        done = hand_over(scheduler, argv, project)
    except subprocess.TimeoutExpired:
        what = f'the submit command "{program}" did not answer within {scheduler.timeout:g} s'
        return SubmitAnswer("unclear", None, what), ""
    except NoWayError as error:
        if error.todo:
            raise SubmitError(f"{_capital(str(error))}; then submit the job again.") from error
        return SubmitAnswer("unclear", None, error.what), ""
    except OSError as error:
        if error.errno == errno.EPIPE:  # the shell around the appliance, or a connection
            what = (
                f"relion-dispatch cannot know whether the scheduler took the job ({error.strerror})"
            )
            return SubmitAnswer("unclear", None, what), ""
        raise _cannot_start(program, error) from error
    answer = dialect(scheduler).read_answer(scheduler, program, done)
    return answer, (done.stdout + done.stderr).strip()


def _started(scheduler: Scheduler, argv: Sequence[str], project: Path) -> int:
    try:
        return start_detached(scheduler, argv, project)
    except OSError as error:
        raise _cannot_start(argv[0], error) from error


def _cannot_start(program: str, error: OSError) -> SubmitError:
    return SubmitError(
        f'The submit command "{program}" cannot be started ({error.strerror}): load the module '
        'that provides the command, or ask your admin to correct "submit_command" of the scheduler.'
    )


def _sentence(answer: SubmitAnswer) -> str:
    return _capital(answer.sentence)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def submit_without_retry(
    scheduler: Scheduler, argv: Sequence[str], project: Path, token: str | None = None
) -> tuple[str, str | None]:
    """Submit what RELION does not wait for, with one attempt; its job id, and its cluster if told.

    If the answer does not name the job, the queue is asked for the one with the token.

    Raises:
        SubmitError: it was not taken, as far as anybody can say.
    """
    if scheduler.detached:
        return str(_started(scheduler, argv, project)), None
    answer, _ = _attempt(scheduler, argv, project)
    if answer.job_id is not None:
        return answer.job_id, answer.cluster
    queue = ask_queue(scheduler, project, options_in(scheduler, argv)) if token else None
    if token and (found := _taken(queue, token, answer)):
        return found.job_id, found.cluster or None
    raise SubmitError(_sentence(answer))
