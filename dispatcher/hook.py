"""What RELION calls: plan, render, submit, record; or refuse where RELION's user sees it."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
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
                f"relion_dispatch.py takes no other arguments than the script, and was given "
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
        return _dispatch(Path(script))
    except DispatchError as error:
        return refuse(script, str(error))
    except KeyboardInterrupt:
        return refuse(
            script,
            "The submission was interrupted: look whether the job is in the queue before you "
            "submit it again.",
        )
    except Exception as error:  # a defect of ours must not leave a job that runs for ever
        return refuse(script, _defect(error))


def _defect(error: Exception) -> str:
    import traceback

    say(traceback.format_exc())
    return (
        f"The job was not submitted, because of a defect in relion-dispatch or its installation "
        f"({type(error).__name__}: {error}): show this line to your admin."
    )


def _dispatch(script: Path) -> int:
    import secrets

    from .atomic_files import keep_previous, write_atomically
    from .catalogue.known_projects import remember
    from .configuration import load_configuration
    from .errors import DispatchError
    from .job_script import job_script
    from .pins import settle
    from .planning import plan_script
    from .provenance import provenance
    from .submit import submit

    configuration = load_configuration()
    plan = plan_script(script, configuration)
    token = secrets.token_hex(6)
    text = job_script(plan, token)
    if plan.image and settle(plan.project, plan.image).version != plan.image.version:
        # Another first job of this project was quicker, and this one follows its pin.
        plan = plan_script(script, configuration)
        text = job_script(plan, token)
        if plan.image:
            settle(plan.project, plan.image)
    job_file = plan.project / plan.script
    record_file = plan.project / plan.name / "dispatch.json"
    for file in (job_file, record_file):
        keep_previous(file)
    write_atomically(job_file, text)
    record = {
        **plan.as_json(),
        **provenance(plan, configuration.site.apptainer.program),
        "job_script": plan.script,
        "dispatched": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime()),
        "user": os.environ.get("USER", str(os.getuid())),
        "host": os.uname().nodename,
        "job_id": None,
    }
    write_atomically(record_file, _as_text(record))
    submitted = submit(
        configuration.site.schedulers[plan.scheduler], plan.submit_command, plan.project
    )
    # The job runs: from here on RELION must not be told that it failed.
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    record |= {"job_id": submitted.job_id, "submit_output": submitted.output}
    try:
        write_atomically(record_file, _as_text(record))
    except DispatchError as error:
        say(f"relion-dispatch: {error}")
    if plan.image:
        remember(plan.project, configuration.site)
    for line in (*plan.summary, f"submitted to {plan.scheduler} as job {submitted.job_id}"):
        say(line, sys.stdout)
    return 0


def _as_text(record: dict[str, object]) -> str:
    import json

    return json.dumps(record, indent=2, ensure_ascii=False) + "\n"
