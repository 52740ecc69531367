"""A stand-in for Slurm's commands: `tests/stand_ins/queue_file`, with a file for a queue.

It says and does what a test wants, which a real Slurm cannot be made to; tests/system has the real
one. The patterns that read its answers are the shipped ones of `slurm`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dispatcher.jobs.record import RECORD, load_record

from ..fixture_types import WriteSite
from ..stand_in_programs import link_stand_in

__all__ = ["StandIn", "record_of"]


class StandIn:
    """Programs in a folder, and the site.json that names them as the scheduler `slurm`."""

    def __init__(self, folder: Path, write_site: WriteSite, **keys: Any) -> None:
        self.folder = folder
        folder.mkdir()
        self.queue = folder / "queue"
        self.queue.touch()
        for name in ("sbatch", "squeue", "scontrol", "scancel", "sinfo"):
            link_stand_in("queue_file", folder, called=name)
        self.submits("take 17 RUNNING; echo 17")
        self.queue_answers("cat queue")
        self.says_of_ends("exit 1")
        self.does("sinfo", ":")
        self.does("scancel", 'sed -i "/^$1|/s/|[A-Z]*|/|CANCELLED|/" queue')
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

    def does(self, name: str, body: str) -> None:
        """What the command of this name does from now on, in shell text."""
        new = self.folder / f"{name}.new"
        new.write_text(f"{body}\n")
        new.rename(self.folder / f"{name}.does")

    def submits(self, body: str) -> None:
        """What the submit command does."""
        self.does("sbatch", body)

    def queue_answers(self, body: str) -> None:
        """What the queue command does."""
        self.does("squeue", body)

    def says_of_ends(self, body: str) -> None:
        """What the command does that tells why a job ended."""
        self.does("scontrol", body)

    def calls(self, name: str) -> list[str]:
        """The arguments of each call so far."""
        try:
            return (self.folder / f"{name}.calls").read_text().splitlines()
        except FileNotFoundError:
            return []

    def has(
        self, job_id: str, state: str, token: str, reason: str = "None", since: str = ""
    ) -> None:
        """Put a job into the queue, or change its state there."""
        kept = [row for row in self.queue.read_text().splitlines() if row.split("|")[0] != job_id]
        times = f"0:07 {since}".rstrip()
        kept.append(f"{job_id}|{state}|node1|{reason}|{times}|relion-dispatch:{token}")
        self.queue.write_text("\n".join(kept) + "\n")

    def forgets(self) -> None:
        """The queue knows of no job any more."""
        self.queue.write_text("")


def record_of(folder: Path) -> dict[str, Any]:
    """The record of the job in a folder, merged from the files of all its writers."""
    return dict(load_record(folder / RECORD).merged)
