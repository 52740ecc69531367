"""What RELION calls: plan, render, submit, record; or refuse where RELION's user sees it."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

from .interruption import ignore_signals, raise_if_interrupted, raise_once
from .refusal import described, refuse, say

__all__ = ["main"]

USAGE = """Usage: relion_dispatch.py SCRIPT

Submits the job that RELION wrote to SCRIPT (JOB/run_submit.script).
RELION calls it by itself: export RELION_QSUB_COMMAND=relion_dispatch.py"""


def main(arguments: list[str]) -> int:
    """Dispatch the submission script named by the one argument; return the exit status."""
    if arguments in (["-h"], ["--help"]):
        say(USAGE, sys.stdout)
        return 0
    if len(arguments) != 1 and not (arguments and arguments[-1].endswith("run_submit.script")):
        say(USAGE)
        return 2
    gc.disable()  # this process ends before there is garbage worth the time to look for it
    problem: BaseException | None = None
    try:
        raise_once()
        problem = _problem(arguments)
        ignore_signals()
    except BaseException as error:  # a signal came behind the job's own error
        problem = error
    if problem is None:
        gc.freeze()  # no search for garbage at the end: it would take as long as planning
        return 0
    script = arguments[-1]
    if isinstance(problem, KeyboardInterrupt):
        return refuse(
            script,
            "The submission was interrupted before the job was in the queue: submit the job again.",
        )
    if _is_sentence(problem):
        return refuse(script, described(problem))
    status = refuse(
        script,
        "The job was not submitted, because relion-dispatch or its installation has a defect "
        f"({type(problem).__name__}: {described(problem)}): show this line to your admin.",
    )
    _show(problem)
    return status


def _problem(arguments: list[str]) -> BaseException | None:
    """Submit the job; why that failed, if it did.

    Libraries raise what they like, such as the panics of those in Rust and SystemExit: whatever it
    is, it must not leave a job that runs for ever in RELION.
    """
    try:
        _open_what_is_closed()
        from .errors import InputError

        *more, script = arguments
        if more:
            return InputError(
                "relion_dispatch.py takes the script as its only argument, but was also given "
                f'{" ".join(more)}: take that out of "Queue submit command" in the Running '
                "tab, and out of RELION_QSUB_COMMAND."
            )
        from .dispatch.steps import dispatch

        raise_if_interrupted()
        dispatch(Path(script))
    except BaseException as error:
        return error
    return None


def _open_what_is_closed() -> None:
    """Give RELION's closed descriptors an end, or a file of the job would get their numbers."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _is_sentence(problem: BaseException) -> bool:
    """Whether an error was raised on purpose, to be read by RELION's user."""
    try:
        from .errors import DispatchError

        return isinstance(problem, DispatchError)
    except BaseException:  # `problem` says why
        return False


def _show(problem: BaseException) -> None:
    """Print where a defect is."""
    try:
        import traceback

        say("".join(traceback.format_exception(problem)))
    except BaseException as error:
        say(f"relion-dispatch: the defect cannot be shown ({type(error).__name__}).")
