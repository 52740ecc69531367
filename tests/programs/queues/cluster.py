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
    "lsf": ["bjobs", "-a", "-json", "-o", "jobid stat job_name exec_host exit_code exit_reason"],
}


class Cluster:
    """A stand-in for a scheduler, named by its dialect."""

    def __init__(self, dialect: str, folder: Path) -> None:
        self.dialect, self.folder = dialect, folder
        folder.mkdir()
        for name in COMMANDS[dialect]:
            link_stand_in("queues/client", folder, called=name)
        self.recorded = folder / "recorded"
        self.does("true")
        # Where the scheduler passes nothing on, a job's shell knows its programs by start-up files.
        apptainer = f'#!/bin/bash\necho "$*" >>"{self.recorded}"\n. "{folder}/does"\n'
        (folder / "apptainer").write_text(apptainer)
        (folder / "apptainer").chmod(0o755)
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

    def jobs(self) -> dict[str, dict[str, Any]]:
        """All that it knows of its jobs, by their names."""
        name = {"pbs": "Job_Name", "lsf": "JOB_NAME"}[self.dialect]
        return {each[name]: each for each in self._records()}

    def states(self) -> list[str]:
        """The states of all jobs, of which several may have one name."""
        state = {"pbs": "job_state", "lsf": "STAT"}[self.dialect]
        return [each[state] for each in self._records()]

    def _records(self) -> list[dict[str, Any]]:
        printed = self.command(*_LOOK[self.dialect]).stdout
        if self.dialect == "pbs":
            return list(json.loads(printed).get("Jobs", {}).values())
        return list(json.loads(printed)["RECORDS"]) if printed else []

    def state(self, name: str) -> str | None:
        """A job's state in the scheduler's own word."""
        job = self.jobs().get(name)
        return job and job[{"pbs": "job_state", "lsf": "STAT"}[self.dialect]]

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
