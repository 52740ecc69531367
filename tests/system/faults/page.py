"""docs/faults.md: what was seen of each fault, as a page and read back from it."""

from __future__ import annotations

import re
import statistics
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from .table import COLUMNS, FAULTS

__all__ = ["Seen", "as_page", "seen_in"]


class Seen(NamedTuple):
    """What one run saw of a fault on one bed.

    Attributes:
        relion: the job's state in RELION's pipeline, by RELION's own check.
        seconds: from the fault, or from the scheduler's knowledge of it, to the exit file; None
            where the job went on and succeeded.
        recorded: what the scheduler knows of the job afterwards.
        left: what was left behind.
        sentence: the last line of run.err; "" for none.
    """

    relion: str
    seconds: float | None
    recorded: str
    left: str
    sentence: str


Table = Mapping[tuple[str, str], Seen]

_HEAD = """# Faults

What becomes of a job when something goes wrong, as the fault suite (`tests/system/faults`) saw it
on a machine with two cores. `tests/run.sh long` writes this page anew; where nothing has changed
only times differ.

{parts}

Each fault has a row, and each scheduler a column: RELION's word for the job afterwards, by RELION's
own `relion_pipeliner --check_job_completion`, and how many seconds passed until RELION was told.
An empty cell is one that nobody tries: the fault never comes near a scheduler, and `local` tells
enough; or it holds up Slurm's own messages; or Slurm alone has it; or it was not run there yet.
Details stand below:

- **seconds** go from the fault to RELION's exit file; for a lost node, from the moment when the
  scheduler has noticed. For a submission they go from RELION's call of the hook, and include the
  waiting for a scheduler that does not answer; where the hook was killed, the next `status` tells.
  `-`: the job went on. A job of the last part that waits for its next run is begun again after some
  seconds here, which take Slurm two minutes as shipped.
- **scheduler's word** is Slurm's JobState and ExitCode; Grid Engine's `failed` and `exit_status` of
  its accounting, which a job that never ran has not, and which is written some seconds late, so
  that it may end with the run before (`failed 25`) of a job that went on; PBS's job_state and
  Exit_status; LSF's STAT and EXIT_CODE; for `local` the exit status of the job's script, where it
  could still tell.
- **left** are processes, scratch and MPS folders, the control folder, and exit files beside the
  one. What is kept on purpose does not count: the record, its lock, and the claim, a link that
  keeps late copies from running.

{count} times a fault ended a job: half were told within {median:.1f} s, all within {longest:.0f} s.

Simulated: PBS and LSF are one daemon of the tests' own, written to their documentation
(`tests/stand_ins/queues`). The kernel's memory kill of a rank is a kill -9 here, and a program that
runs out of memory meets a limit of its own, as the test clusters enforce none. A server that is
down or busy is a port of the test's between the commands and the server. A quota on files is an
ext4 with few inodes, as the kernel of the test machine has no quotas. File systems without locks
are a library that is preloaded into all programs and answers flock(2) and fcntl(2) with an error.
The GPUs are pretended ones, so no fault of a GPU is among these. A job that goes on is cut by a
preemption; on Grid Engine it is suspended by hand, as a queue would be. On `local` it is cut by a
power cut: its processes and its watcher are killed at once, and the lease is set back by the two
minutes in which `resume` would wait. What it runs in its container stands in for relion_refine:
iterations that were written beforehand, in their time. Grid Engine has one node, so its lost node
has to be back before the next run.
"""
_DETAILS = ("fault", "scheduler", "RELION", "seconds", "scheduler's word", "left", "end of run.err")
_ENDS = ("Succeeded", "Failed", "Aborted")
_PART = re.compile(r"^- \*\*(.+?)\*\*: (.+)$", re.MULTILINE)


def as_page(seen: Table, parts: Mapping[str, str], before: str = "") -> str:
    """The page; `parts` names for each bed the versions of what was run, and when.

    What this run did not look at stands as in the page `before`, where that has it.
    """
    known = {**seen_in(before), **seen}
    listed = {
        part: {
            (fault, bed): known[fault, bed]
            for fault, beds in faults.items()
            for bed in beds
            if (fault, bed) in known
        }
        for part, faults in FAULTS.items()
    }
    seconds = [
        each.seconds
        for rows in listed.values()
        for each in rows.values()
        if each.seconds is not None
    ]
    told = dict(_PART.findall(before)) | {COLUMNS[bed]: text for bed, text in parts.items()}
    page = _HEAD.format(
        parts="\n".join(f"- **{name}**: {told[name]}" for name in COLUMNS.values() if name in told),
        count=len(seconds),
        median=statistics.median(seconds),
        longest=max(seconds),
    )
    for part, rows in listed.items():
        page += f"\n## {part}\n\n" + _head(["fault", *COLUMNS.values()])
        for fault in FAULTS[part]:
            page += _row([fault, *(_in_short(rows.get((fault, bed))) for bed in COLUMNS)])
        page += "\n" + _head(_DETAILS)
        page += "".join(
            _row([fault, COLUMNS[bed], *_cells(each)]) for (fault, bed), each in rows.items()
        )
    return page


def seen_in(page: str) -> dict[tuple[str, str], Seen]:
    """What stands in the details of a page."""
    beds = {column: bed for bed, column in COLUMNS.items()}
    found = {}
    for line in page.splitlines():
        cells = [
            each.replace("\\|", "|")
            for each in re.split(r" \| ", line.removeprefix("| ").removesuffix(" |"))
        ]
        if len(cells) == len(_DETAILS) and cells[1] in beds and cells[2] in _ENDS:
            relion, seconds, recorded, left, sentence = cells[2:]
            found[cells[0], beds[cells[1]]] = Seen(
                relion,
                None if seconds == "-" else float(seconds),
                recorded,
                left,
                "" if sentence == "-" else sentence,
            )
    return found


def _in_short(seen: Seen | None) -> str:
    if seen is None:
        return ""
    return seen.relion if seen.seconds is None else f"{seen.relion}, {seen.seconds:.1f} s"


def _cells(seen: Seen) -> Iterable[str]:
    seconds = "-" if seen.seconds is None else f"{seen.seconds:.1f}"
    sentence = seen.sentence.removeprefix("relion-dispatch: ")
    return [seen.relion, seconds, seen.recorded, seen.left, sentence or "-"]


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _head(names: Collection[str]) -> str:
    return _row(names) + _row(["---"] * len(names))
