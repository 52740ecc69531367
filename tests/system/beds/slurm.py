"""Slurm: the machine's own, and the newest of Debian's unstable suite, each with a test cluster."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ...waiting import wait_for
from ..controller_line import ControllerLine
from ..hook_calls import copies_in_slurm, in_queue
from ..project import MakeProject, Project
from ..slurm_nodes import ask_operator, return_node, state_of_node
from .preempting import PreemptingBed
from .servers import Silence

__all__ = ["SlurmBed"]


class SlurmBed(PreemptingBed):
    """A cluster of slurm_cluster.sh; ``slurm-newest`` has the Slurm of newest_slurm.sh."""

    scheduler = "slurm"
    submit: ClassVar = ["sbatch", "--parsable"]
    held = "--hold"
    waits = "PENDING"
    unreachable = "Unable to contact slurm controller"
    impossible: ClassVar = [
        (["--gres=gpu:77"], "Requested node configuration is not available"),
        (["--partition=none"], "Invalid partition name"),
    ]
    passing = ("RUNNING", "COMPLETING")
    limit = ("00:02:00", 120)  # Slurm warns 60 s before it, and up to a minute early
    gives_way = "requeued"
    cancelled_between = PreemptingBed.cancelled_waiting
    short = "00:01:00"

    def __init__(
        self,
        name: str,
        make_project: MakeProject,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        super().__init__(name, make_project, folder, monkeypatch)
        if name == "slurm-newest":
            commands = os.environ["RELION_TEST_NEWEST_SLURM"]
            monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
            monkeypatch.setenv("SLURM_CONF", os.environ["RELION_TEST_NEWEST_SLURM_CONF"])
        self.cluster = Path(os.environ["SLURM_CONF"]).parent

    def go_to_preempting(self) -> None:
        """Go to the other cluster of this Slurm, where jobs of some partitions give way to those of
        the partition urgent, and start again some seconds later."""
        name = "newest-preempting" if self.name == "slurm-newest" else "preempting"
        conf = Path(os.environ["RELION_TEST_CLUSTERS"], name, "slurm.conf")
        self.monkeypatch.setenv("SLURM_CONF", str(conf))
        self.cluster = conf.parent

    def preempt(self, number: str) -> None:
        """All jobs give way for a moment that do so."""
        urgent = ["sbatch", "--partition=urgent", "--nodes=2", "--exclusive", "--time=1"]
        subprocess.run([*urgent, "--output=/dev/null", "--wrap=true"], check=True)

    def waits_again(self, number: str) -> bool:
        return self.knows(number).startswith("PENDING")

    @contextmanager
    def silence(self) -> Iterator[Silence]:
        with self.cut_line() as line:
            nobody = f"SLURM_CONF={line.environment['SLURM_CONF']}"
            yield Silence(self.folder / "silence", ["scontrol"], nobody)

    def silence_node(self, node: str, number: str) -> None:
        ask_operator(f"silence {node}")
        wait_for(lambda: state_of_node(node).startswith("DOWN"), 90, f"the loss of {node}")

    def return_node(self, node: str) -> None:
        return_node(node)

    def on_first_node(self) -> dict[str, Any]:
        return {"submit": {"mem": "1G", "scheduler_options": ["--nodelist=gpu1"]}}

    def cancel(self, number: str) -> None:
        subprocess.run(["scancel", number], check=True)

    def release(self, *numbers: str) -> None:
        subprocess.run(["scontrol", "release", ",".join(numbers)], check=True)

    def in_queue(self, number: str) -> bool:
        return in_queue(number)

    def copies(self, token: str) -> list[str]:
        return copies_in_slurm(token)

    def knows(self, number: str) -> str:
        shown = subprocess.run(
            ["scontrol", "show", "job", "--oneliner", number],
            capture_output=True,
            text=True,
            errors="replace",
        ).stdout
        found = re.search(r"JobState=(\S+).* ExitCode=(\S+)", shown)
        return f"{found[1]} {found[2]}" if found else "forgotten"

    def script_of(self, number: str) -> int:
        spool = f"{self.cluster}/nodes/.*/job{int(number):05}/slurm_script"
        return int(subprocess.check_output(["pgrep", "-o", "-f", spool], text=True))

    def mark(self, project: Project, number: str) -> list[str]:
        name = re.search(r"^ClusterName=(\S+)", (self.cluster / "slurm.conf").read_text(), re.M)
        assert name
        return [f"SLURM_JOB_ID={number}", f"SLURM_CLUSTER_NAME={name[1]}"]

    def nodes_tmp(self) -> Iterator[Path]:
        yield from super().nodes_tmp()
        yield from self.cluster.glob("nodes/*/tmp")

    @contextmanager
    def cut_line(self) -> Iterator[ControllerLine]:
        with ControllerLine(self.folder / "line") as line:
            yield line

    @contextmanager
    def late(self, project: Project) -> Iterator[ControllerLine]:
        with ControllerLine(self.folder / "line") as line:
            line.held = 1
            line.open()
            yield line

    def lose_node(self, project: Project, number: str) -> float:
        try:
            ask_operator("lose gpu1")
            wait_for(lambda: "NODE_FAIL" in self.knows(number), 60, "the loss of the node")
            return time.time()
        finally:
            return_node("gpu1")
