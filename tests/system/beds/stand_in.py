"""PBS and LSF: the stand-in daemon of tests/stand_ins/queues, started for each test.

Its queue and its answers are written down, not those of PBS or LSF; its jobs are real processes, in
which real RELION runs.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ...programs.queues.cluster import Cluster
from ...stand_ins.queues.lsf import MINUTE
from ...waiting import wait_for
from ..project import MakeProject, Project
from .bed import Bed

__all__ = ["StandInBed"]

ENDED = ("F", "DONE", "EXIT")


_WORDS: dict[str, dict[str, Any]] = {
    "pbs": {
        "scheduler": "pbs",
        "submit": ["qsub", "-f"],
        "held": "-h",
        "waits": "H",
        "passing": ("Q", "H", "W", "R", "E"),
        "impossible": [(["-q", "none"], "Unknown queue")],
        "unreachable": "cannot connect to server",
        "limit": ("00:00:16", 16),
    },
    "lsf": {
        "scheduler": "lsf",
        "submit": ["bsub"],
        "script_on_stdin": True,
        "held": "-H",
        "waits": "PSUSP",
        "passing": ("PEND", "PSUSP", "RUN"),
        "impossible": [(["-q", "none"], "No such queue")],
        "unreachable": "batch daemon not responding",
        "limit": ("00:05:00", round(5 * MINUTE)),
    },
}


class _Silence:
    """A server that answers nothing."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.environment: dict[str, str] = {}
        cluster.controls(down=True)

    def open(self) -> None:
        self.cluster.controls()


class StandInBed(Bed):
    """A stand-in for a cluster with PBS or LSF."""

    within = 60

    def __init__(
        self,
        name: str,
        make_project: MakeProject,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        super().__init__(name, make_project, folder, monkeypatch)
        for key, value in _WORDS[name].items():
            setattr(self, key, value)
        self.cluster = Cluster(name, folder / "cluster")
        (self.cluster.folder / "apptainer").unlink()  # jobs start the real one
        monkeypatch.setenv("PATH", self.cluster.path)
        monkeypatch.setenv("HOME", str(self.cluster.home))

    def stop(self) -> None:
        self.cluster.stop()

    def project(self, name: str = "project", major: str = "5", **types: Any) -> Project:
        project = super().project(name, major, **types)
        if self.name == "pbs":  # a watcher that comes again does so within the patience of a test
            self.change(project, watcher={"again_after": 1, "again_format": "%Y%m%d%H%M.%S"})
        return project

    def _run(self, *words: str) -> str:
        done = subprocess.run(words, capture_output=True, text=True, errors="replace")
        return done.stdout

    def cancel(self, number: str) -> None:
        subprocess.run(["qdel" if self.name == "pbs" else "bkill", number], check=True)

    def release(self, *numbers: str) -> None:
        subprocess.run(["qrls" if self.name == "pbs" else "bresume", *numbers], check=True)

    def in_queue(self, number: str) -> bool:
        said = self.knows(number)
        return bool(said) and not said.startswith(ENDED)

    def copies(self, token: str) -> list[str]:
        mark = f"relion-dispatch:{token}"
        if self.name == "pbs":
            jobs = json.loads(self._run("qstat", "-x", "-f", "-F", "json")).get("Jobs", {})
            return [each for each, job in jobs.items() if mark in job["Variable_List"].values()]
        rows = self._run("bjobs", "-a", "-noheader", "-o", "jobid job_description").splitlines()
        return [row.split()[0] for row in rows if row.split()[1:] == [mark]]

    def knows(self, number: str) -> str:
        if self.name == "pbs":
            told = self._run("qstat", "-x", "-f", number)
            found = dict(re.findall(r"^ +(job_state|Exit_status) = (\S+)", told, re.MULTILINE))
            return " ".join(
                each for each in (found.get("job_state", ""), found.get("Exit_status")) if each
            )
        return self._run("bjobs", "-a", "-noheader", "-o", "stat exit_code", number).strip()

    def script_of(self, number: str) -> int:
        script = f"^/bin/bash {self.cluster.folder}/spool/{number.partition('.')[0]}.SC$"
        return int(subprocess.check_output(["pgrep", "-o", "-f", script], text=True))

    def mark(self, project: Project, number: str) -> list[str]:
        """The daemon of each test begins with the same number."""
        if self.name == "pbs":
            return [f"PBS_JOBID={number}", f"PBS_O_WORKDIR={project.folder}"]
        return [
            f"LSB_JOBID={number}",
            f"RELION_DISPATCH_SITE={project.environment['RELION_DISPATCH_SITE']}",
        ]

    @contextmanager
    def cut_line(self) -> Iterator[_Silence]:
        line = _Silence(self.cluster)
        try:
            yield line
        finally:
            line.open()

    def lose_node(self, project: Project, number: str) -> float:
        self.cluster.controls(node_lost=True)
        try:
            wait_for(lambda: not self.in_queue(number), 30, "the loss of the node")
            return time.time()
        finally:
            self.cluster.controls()
