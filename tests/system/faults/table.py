"""docs/faults.md: the faults of the suite in their order, and what one run of it saw of each."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from typing import NamedTuple

__all__ = ["FAULTS", "Seen", "as_page", "rows_of"]

FAULTS = {
    "The submission": [
        "submit command missing",
        "submit command refuses (no such partition, or no such GPUs)",
        "submit command hangs, without submitting (timeout 2 s, retry 8 s)",
        "submit command hangs, having submitted (timeout 3 s)",
        "submit command lies: prints an error, yet takes the job",
        "submit command is slow (6 s)",
        "slurmctld down at first during submission",
        "slurmctld down for good (retry 8 s)",
        "slurmctld takes the job after sbatch has given up",
        "slurmctld takes a job that was given up (retry 4 s)",
        "same script submitted twice at the same moment",
        "scheduler takes the job twice, both start at the same moment",
        "200 submissions at once from two projects",
    ],
    "The hook killed (kill -9)": [
        "hook killed while it plans, before there is a record",
        "hook killed before the job is in the queue",
        "hook killed when the job is in the queue",
        "hook killed at each of its steps",
    ],
    "The job killed": [
        "scancel of a waiting job",
        "scancel of a running job",
        "time limit (of 2 minutes; Slurm warns before it)",
        "kill -9 of the batch shell, Slurm",
        "kill -9 of the whole job, Slurm",
        "kill -9 of the batch shell, local",
        "kill -9 of all shells of the job, local",
        "kill -9 of one rank",
        "kill -9 of all ranks",
        "slurmd of the node killed, with all its processes",
        "a program eats all memory that it may have (ulimit -v)",
    ],
    "The job fails": [
        "missing particle stack",
        "corrupt map",
        "even ranks",
        "ranks as single processes",
        "failing command in the middle of four",
        "image removed while the job waits",
        "disk of the job's folder is full at submission",
        "disk of the job's folder fills up while it runs",
        "disk of the job's folder has no room for more files",
        "scratch disk full",
    ],
    "The job's folder": [
        "no file can be made at submission (tmpfs without inodes)",
        "no file can be made at submission (ext4 without inodes)",
        "no file can be made while it runs (ext4 without inodes)",
        "an earlier run's record cannot be read at submission (closed, or damaged)",
        "the record cannot be read at the job's end (closed, or damaged)",
        "the project's path is no UTF-8 (Apptainer enters no such folder)",
        "the project's path is no UTF-8, and the job is cancelled while it waits",
        "no locks at submission (simulated: ENOLCK, ENOSYS)",
        "no locks at the job's end (simulated: ENOLCK, ENOSYS)",
    ],
    "Aborted in RELION": [
        "abort before it is submitted",
        "abort while it waits",
        "abort while it runs",
    ],
    "Grid Engine": [
        "submit command refuses what can never run, Grid Engine",
        "submit command lies: prints an error, yet takes the job, Grid Engine",
        "master down at first during submission, Grid Engine",
        "qdel of a waiting job, Grid Engine",
        "qdel of a running job, Grid Engine",
        "time limit (of 20 s), Grid Engine",
        "time limit (of 20 s) of a script that hangs, Grid Engine",
        "kill -9 of the batch shell, Grid Engine",
        "kill -9 of the whole job, Grid Engine",
        "node lost, with all its processes, and returned, Grid Engine",
        "a program ends with status 99 or 100, Grid Engine",
        "abort while it waits, Grid Engine",
        "abort while it runs, Grid Engine",
    ],
}


class Seen(NamedTuple):
    """What one run saw of a fault.

    Attributes:
        scheduler: ``slurm``, ``gridengine`` or ``local``.
        relion: the job's state in RELION's pipeline, by RELION's own check.
        seconds: from the fault, or from the scheduler's knowledge of it, to the exit file; None
            where the job went on and succeeded.
        recorded: what the scheduler knows of the job afterwards.
        left: what was left behind.
        sentence: the last line of run.err; "" for none.
    """

    scheduler: str
    relion: str
    seconds: float | None
    recorded: str
    left: str
    sentence: str


_HEAD = """# Faults

What becomes of a job when something goes wrong, as one run of the fault suite
(`tests/system/faults`) saw it on a machine with two cores:
{parts}.
`tests/run.sh long` writes this page anew; where nothing has changed only times differ.

- **RELION** is the job's state after RELION's own `relion_pipeliner --check_job_completion`.
- **Seconds** go from the fault to RELION's exit file; for a lost node, from the moment when the
  scheduler has noticed. For a submission they go from RELION's call of the hook, and include the
  waiting for a scheduler that does not answer; where the hook was killed, the next `status` tells.
  `-`: the job went on.
- **Scheduler's word** is Slurm's JobState and ExitCode; Grid Engine's `failed` and `exit_status` of
  its accounting, which a job that never ran has not; for `local` the exit status of the job's
  script, where it could still tell.
- **Left** are processes, scratch and MPS folders, the control folder, and exit files beside the
  one. What is kept on purpose does not count: the record, its lock, and the claim, a link that
  keeps late copies from running.

{count} of these faults end a job: half were told within {median:.1f} s, all within {longest:.0f} s.

Simulated: the kernel's memory kill of a rank is a kill -9 here, and a program that runs out of
memory meets a limit of its own, as the test cluster enforces none. A slurmctld that is down or busy
is a port of the test's between sbatch and slurmctld. A quota on files is an ext4 with few inodes,
as the kernel of the test machine has no quotas. File systems without locks are a library that is
preloaded into all programs and answers flock(2) and fcntl(2) with an error. The GPUs are pretended
ones, so no fault of a GPU is among these.
"""
_COLUMNS = ("fault", "scheduler", "RELION", "seconds", "scheduler's word", "left", "end of run.err")


def as_page(seen: Mapping[str, Seen], parts: str, before: str = "") -> str:
    """The page; `parts` names the versions of what was run.

    What this run did not look at stands as in the page `before`.

    Raises:
        KeyError: a fault was not seen, and has no row in that page.
    """
    rows = {line.split(" | ")[0].removeprefix("| "): f"{line}\n" for line in before.splitlines()}
    rows |= {fault: _row([fault, *_cells(each)]) for fault, each in seen.items()}
    listed = {part: [rows[fault] for fault in faults] for part, faults in FAULTS.items()}
    told = [row.split(" | ")[3] for rows in listed.values() for row in rows]
    seconds = [float(each) for each in told if each != "-"]
    page = _HEAD.format(
        parts=parts,
        count=len(seconds),
        median=statistics.median(seconds),
        longest=max(seconds),
    )
    for part, of_part in listed.items():
        page += f"\n## {part}\n\n" + _row(_COLUMNS) + _row(["---"] * len(_COLUMNS))
        page += "".join(of_part)
    return page


def _cells(seen: Seen) -> Iterable[str]:
    seconds = "-" if seen.seconds is None else f"{seen.seconds:.1f}"
    sentence = seen.sentence.removeprefix("relion-dispatch: ")
    return [seen.scheduler, seen.relion, seconds, seen.recorded, seen.left, sentence or "-"]


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def rows_of(page: str) -> list[str]:
    """The faults that a page has rows for, in their order."""
    rows = [line.split(" | ")[0].removeprefix("| ") for line in page.splitlines() if "| " in line]
    return [row for row in rows if row not in ("fault", "---")]
