"""A stand-in for Slurm's commands: small programs with a file for a queue.

It says and does what a test wants, which a real Slurm cannot be made to; tests/system has the real
one. The patterns that read its answers are the shipped ones of `slurm`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dispatcher.jobs.record import RECORD, load_record

from ..fixture_types import WriteSite

__all__ = ["StandIn", "record_of"]

# What the programs share: `take ID STATE` is the scheduler taking the job that is submitted.
_COMMON = """#!/bin/bash
cd FOLDER || exit 1
take() {
    local comment=(none)
    for word in "${submitted[@]}"; do [[ $word != --comment=* ]] || comment=${word#--comment=}; done
    echo "$1|$2|node1|None|0:07|$comment" >> queue
}
"""


class StandIn:
    """Programs in a folder, and the site.json that names them as the scheduler `slurm`."""

    def __init__(self, folder: Path, write_site: WriteSite, **keys: Any) -> None:
        self.folder = folder
        folder.mkdir()
        self.queue = folder / "queue"
        self.queue.touch()
        self.submits("take 17 RUNNING; echo 17")
        self.queue_answers("cat queue")
        self.says_of_ends("exit 1")
        self._program("scancel", 'sed -i "/^$1|/s/|[A-Z]*|/|CANCELLED|/" queue')
        slurm = {
            "submit_command": [str(folder / "sbatch")],
            "queue_command": [str(folder / "squeue")],
            "end_command": [str(folder / "scontrol"), "{job_id}"],
            "cancel_command": [str(folder / "scancel"), "{job_id}"],
            "timeout": 3,
            "retry": 3,
            "watcher": None,
            **keys,
        }
        write_site("site.json", {"scheduler": "slurm", "schedulers": {"slurm": slurm}})

    def _program(self, name: str, body: str) -> None:
        program = self.folder / f"{name}.new"
        start = _COMMON.replace("FOLDER", f"'{self.folder}'")
        program.write_text(f'{start}submitted=("$@")\necho "$*" >> {name}.calls\n{body}\n')
        program.chmod(0o755)
        program.rename(self.folder / name)

    def submits(self, body: str) -> None:
        """What the submit command does."""
        self._program("sbatch", body)

    def queue_answers(self, body: str) -> None:
        """What the queue command does."""
        self._program("squeue", body)

    def says_of_ends(self, body: str) -> None:
        """What the command does that tells why a job ended."""
        self._program("scontrol", body)

    def calls(self, name: str) -> list[str]:
        """The arguments of each call so far."""
        try:
            return (self.folder / f"{name}.calls").read_text().splitlines()
        except FileNotFoundError:
            return []

    def has(self, job_id: str, state: str, token: str, reason: str = "None") -> None:
        """Put a job into the queue, or change its state there."""
        kept = [row for row in self.queue.read_text().splitlines() if row.split("|")[0] != job_id]
        kept.append(f"{job_id}|{state}|node1|{reason}|0:07|relion-dispatch:{token}")
        self.queue.write_text("\n".join(kept) + "\n")

    def forgets(self) -> None:
        """The queue knows of no job any more."""
        self.queue.write_text("")


def record_of(folder: Path) -> dict[str, Any]:
    """The record of the job in a folder, merged from the files of all its writers."""
    return dict(load_record(folder / RECORD).merged)
