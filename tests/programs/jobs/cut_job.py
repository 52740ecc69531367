"""A refinement that goes on, whose first run was cut, for ``resume`` and its kin."""

from __future__ import annotations

import os
import secrets
import subprocess
import time
from pathlib import Path

# The queue of `local` is the machine's, and tests run beside each other.
TOKEN = secrets.token_hex(6)
JOB = "Refine3D/job019"
RUN = f"{JOB}/run_submit.script.run"
GOES_ON = {"after": ["lost_node"], "at_most": 10, "gives_up_after": 2}
# Claims the next number, as the run before has its record, and runs until it may end.
SCRIPT = f"""\
dispatch_token={TOKEN}
cd {JOB}
number=1
while [ -e dispatch.run.{TOKEN}.$number ]; do number=$((number + 1)); done
[ $number = 1 ] || after=.$number
ln -sT "$(uname -n), process $$, now, job $$" .dispatch_claim.{TOKEN}${{after:-}} || exit 1
echo $number >> began
printf 'run %s\\nscheduler_job_id %s\\n' $number $$ > .dispatch_lease.{TOKEN}.$number
until [ -e go ]; do sleep 0.05; done
"""


def cut(folder: Path, number: int = 1, seconds: float = 3600) -> None:
    """What a run leaves that was cut so long ago, in its eighth iteration."""
    after = f".{number}" if number > 1 else ""
    claim = folder / f".dispatch_claim.{TOKEN}{after}"
    claim.symlink_to(f"{os.uname().nodename}, process 4194303, then, job 4194303")
    lease = folder / f".dispatch_lease.{TOKEN}.{number}"
    lease.write_text(
        f"token {TOKEN}\nrun {number}\nstarted 2026-11-28T05:00:00+00:00\nhost desk1\n"
        "scheduler_job_id 4194303\nprocess 4194303 1 pid:[1] 6f0c\ndone 0\nreached 0\nidle 0\n"
        "reached 3\nranks 9\n"
    )
    (folder / "run_it007_optimiser.star").touch()
    then = time.time() - seconds
    os.utime(lease, (then, then))


def relion_was_told(folder: Path) -> bool:
    return bool(list(folder.glob("RELION_JOB_EXIT_*")))


def script_runs() -> bool:
    """Whether a script of these tests is left."""
    listed = subprocess.run(["ps", "-eww", "-o", "args="], capture_output=True, text=True).stdout
    return f"run_submit.script.run {TOKEN}" in listed
