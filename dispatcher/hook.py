"""What RELION calls: plan, render, submit, record; or refuse where RELION's user sees it."""

from __future__ import annotations

import gc
import os
import sys
import time
from pathlib import Path

from .refusal import refuse

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Dispatch the submission script named by the one argument; return the exit status."""
    if len(arguments) != 1 or arguments[0] in ("-h", "--help"):
        print(
            "Usage: relion_dispatch.py SCRIPT\n\n"
            "Submits the job that RELION wrote to SCRIPT (JOB/run_submit.script).\n"
            "RELION calls it by itself: export RELION_QSUB_COMMAND=relion_dispatch.py",
            file=sys.stdout if arguments in (["-h"], ["--help"]) else sys.stderr,
        )
        return 0 if arguments in (["-h"], ["--help"]) else 2
    script = arguments[0]
    gc.disable()  # this process ends before there is garbage worth the time to look for it
    try:
        from .errors import DispatchError
    except Exception as error:
        return refuse(script, _defect(error))
    try:
        return _dispatch(Path(script))
    except DispatchError as error:
        return refuse(script, str(error))
    except Exception as error:  # a defect of ours must not leave a job that runs for ever
        return refuse(script, _defect(error))


def _defect(error: Exception) -> str:
    import traceback

    traceback.print_exc()
    return (
        f"The job was not submitted, because of a defect in relion-dispatch or its installation "
        f"({type(error).__name__}: {error}): show this line to your admin."
    )


def _dispatch(script: Path) -> int:
    from .atomic_files import keep_previous, write_atomically
    from .configuration import load_configuration
    from .errors import DispatchError
    from .job_script import job_script
    from .pins import pin
    from .planning import plan_script
    from .submit import submit

    configuration = load_configuration()
    plan = plan_script(script, configuration)
    text = job_script(plan)
    job_file = plan.project / plan.script
    record_file = plan.project / plan.name / "dispatch.json"
    for file in (job_file, record_file):
        keep_previous(file)
    write_atomically(job_file, text)
    record = {
        **plan.as_json(),
        "job_script": plan.script,
        "dispatched": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime()),
        "user": os.environ.get("USER", str(os.getuid())),
        "host": os.uname().nodename,
        "job_id": None,
    }
    write_atomically(record_file, _as_text(record))
    if plan.image:
        pin(plan.project, plan.image)
    submitted = submit(
        configuration.site.schedulers[plan.scheduler], plan.submit_command, plan.project
    )
    for line in (*plan.summary, f"submitted to {plan.scheduler} as job {submitted.job_id}"):
        print(line)
    record |= {"job_id": submitted.job_id, "submit_output": submitted.output}
    try:
        write_atomically(record_file, _as_text(record))
    except DispatchError as error:  # the job runs: RELION must not be told that it failed
        print(f"relion-dispatch: {error}", file=sys.stderr)
    return 0


def _as_text(record: dict[str, object]) -> str:
    import json

    return json.dumps(record, indent=2, ensure_ascii=False) + "\n"
