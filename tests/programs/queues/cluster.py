"""A cluster with one node that does not exist: the daemon of tests/stand_ins/queues.

It stands in for OpenPBS, and for LSF, of which no free one can be had. Job scripts are real, and
run as processes of the daemon.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from dispatcher.jobs.record import RECORD, load_record

from ...stand_in_programs import link_stand_in
from ...waiting import wait_for
from ..jobs.pipeline_jobs import HEADS, WORDS

__all__ = ["COMMANDS", "Cluster"]

ROOT = Path(__file__).parents[3]
COMMANDS = {
    "pbs": ("qsub", "qstat", "qdel", "qselect", "qrls"),
    "lsf": ("bsub", "bjobs", "bkill", "bhist", "bresume"),
}
_LOOK = {
    "pbs": ["qstat", "-x", "-f", "-F", "json"],
    "lsf": ["bjobs", "-a", "-json", "-o", "jobid stat"],
}
_STATE = {"pbs": "job_state", "lsf": "STAT"}
_ENDED = {"F", "DONE", "EXIT"}


class Cluster:
    """A stand-in for a scheduler, named by its dialect."""

    def __init__(self, dialect: str, folder: Path) -> None:
        self.dialect, self.folder = dialect, folder
        folder.mkdir()
        for name in COMMANDS[dialect]:
            link_stand_in("queues/client", folder, called=name)
        self.recorded = folder / "recorded"
        self.does("true")
        # The hook asks for the version: only a job runs what it does.
        (folder / "apptainer").write_text(
            '#!/bin/bash\n[ "$1" != --version ] || exec echo apptainer version 1.4.5\n'
            f'echo "$*" >>"{self.recorded}"\n. "{folder}/does"\n'
        )
        (folder / "apptainer").chmod(0o755)
        # Where the scheduler passes nothing on, a job's shell knows its programs by start-up files.
        self.home = folder / "home"
        self.home.mkdir()
        (self.home / ".bash_profile").write_text(f'export PATH="{folder}:$PATH"\n')
        self.path = f"{folder}:{os.environ['PATH']}"
        self.daemon = subprocess.Popen(
            [sys.executable, "-m", "tests.stand_ins.queues.daemon", folder, dialect, "64", "4"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
        )
        wait_for((folder / "socket").exists, what="the daemon's socket")

    def stop(self) -> None:
        """End the daemon, and with it all jobs."""
        assert self.daemon.stdin
        self.daemon.stdin.close()
        self.daemon.wait(30)

    def does(self, body: str) -> None:
        """What Apptainer does from now on, in shell text."""
        new = self.folder / "does.new"
        new.write_text(f"{body}\n")
        new.rename(self.folder / "does")

    def controls(self, **values: Any) -> None:
        """What goes wrong from now on."""
        new = self.folder / "controls.new"
        new.write_text(json.dumps(values))
        new.rename(self.folder / "controls.json")

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Call one of its commands as a user does."""
        environment = {**os.environ, "PATH": self.path, "HOME": str(self.home)}
        return subprocess.run(words, capture_output=True, text=True, env=environment, timeout=60)

    def states(self) -> dict[str, str]:
        """The states of all jobs that it knows, by their ids."""
        printed = self.command(*_LOOK[self.dialect]).stdout
        jobs = json.loads(printed) if printed else {}
        rows = jobs.get("Jobs") or {each["JOBID"]: each for each in jobs.get("RECORDS", ())}
        return {job_id: each[_STATE[self.dialect]] for job_id, each in rows.items()}

    def living(self) -> set[str]:
        """The ids of all jobs that have not ended."""
        return {job_id for job_id, state in self.states().items() if state not in _ENDED}

    def calls(self, name: str) -> list[str]:
        """The arguments of each call of a command so far."""
        log = self.folder / "calls"
        lines = log.read_text().splitlines() if log.exists() else []
        return [line.partition(" ")[2] for line in lines if line.startswith(f"{name} ")]

    @property
    def submit(self) -> str:
        """The name of its submit command."""
        return COMMANDS[self.dialect][0]

    def kill(self, job_id: str) -> subprocess.CompletedProcess[str]:
        """Delete a job as a user does."""
        return self.command({"pbs": "qdel", "lsf": "bkill"}[self.dialect], job_id)


def running_in_pipeline(script: Path) -> None:
    """Have RELION's pipeline say that the job runs."""
    name = f"{script.parents[1].name}/{script.parent.name}"
    pipeline = script.parents[2] / "default_pipeline.star"
    pipeline.write_text(f"{HEADS}{WORDS}{name}/ None relion.postprocess Running\n")


def record_of(script: Path) -> dict[str, Any]:
    """The record of a job, merged from the files of all its writers."""
    return dict(load_record(script.parent / RECORD).merged)
