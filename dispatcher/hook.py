"""What RELION calls: plan, render, submit, record; or refuse where RELION's user sees it."""

from __future__ import annotations

import gc
import signal
from pathlib import Path

from .refusal import refuse, say

__all__ = ["main"]

USAGE = """Usage: relion_dispatch.py SCRIPT

Submits the job that RELION wrote to SCRIPT (JOB/run_submit.script).
RELION calls it by itself: export RELION_QSUB_COMMAND=relion_dispatch.py"""


def main(arguments: list[str]) -> int:
    """Dispatch the submission script named by the one argument; return the exit status."""
    if arguments in (["-h"], ["--help"]):
        print(USAGE)
        return 0
    if len(arguments) != 1:
        if arguments and arguments[-1].endswith("run_submit.script"):
            return refuse(
                arguments[-1],
                "relion_dispatch.py takes the script as its only argument, but was also given "
                f"{' '.join(arguments[:-1])}: correct RELION_QSUB_COMMAND.",
            )
        say(USAGE)
        return 2
    script = arguments[0]
    gc.disable()  # this process ends before there is garbage worth the time to look for it
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        from .errors import DispatchError
    except Exception as error:
        return refuse(script, _defect(error))
    try:
        from .dispatch.steps import dispatch

        dispatch(Path(script))
        gc.freeze()  # no search for garbage at the end: it would take as long as planning
        return 0
    except DispatchError as error:
        return refuse(script, str(error))
    except KeyboardInterrupt:
        return refuse(
            script,
            "The submission was interrupted before the job was in the queue: submit the job again.",
        )
    except Exception as error:  # a defect of ours must not leave a job that runs for ever
        return refuse(script, _defect(error))


def _defect(error: Exception) -> str:
    import traceback

    say(traceback.format_exc())
    return (
        "The job was not submitted, because relion-dispatch or its installation has a defect "
        f"({type(error).__name__}: {error}): show this line to your admin."
    )
