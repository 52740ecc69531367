"""Grid Engine, for real: the cluster of gridengine_cluster.sh."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ...waiting import wait_for
from ..gridengine_site import (
    ask_operator,
    in_queue,
    lose_sight_of_node,
    on_gridengine_site,
    queue_says,
)
from ..hook_calls import change_site
from ..project import MakeProject, Project
from .preempting import PreemptingBed
from .servers import Silence

__all__ = ["GridEngineBed"]

# Grid Engine forgets the context of a job that is over, so that no copy of one could be found.
_RECORDER = """#!/bin/bash
exec 3>&1
answer=$({real} "$@" 3>&-); status=$?
echo "$answer $*" >>'{log}'
[ -z "$answer" ] || printf '%s\\n' "$answer" >&3
exit $status
"""


class _Port:
    """A qmaster that is down is a port where nobody listens, while a file is there."""

    def __init__(self, cut: Path) -> None:
        self.cut = cut
        self.environment: dict[str, str] = {}
        cut.touch()

    def open(self) -> None:
        self.cut.unlink(missing_ok=True)


class GridEngineBed(PreemptingBed):
    """The test cluster with Grid Engine; its commands are recorded."""

    scheduler = "gridengine"
    submit: ClassVar = ["qsub", "-terse"]
    held = "-h"
    waits = "hqw"
    unreachable = "commlib error"
    impossible: ClassVar = [(["-l", "gpu=77"], "no suitable queues")]
    cancelled_waiting = "deleted before it ran"
    passing = ("in the queue",)
    within = 60
    limit = ("00:00:20", 20)
    gives_way = "cpu.q"
    cancelled_between = "it was deleted from the queue, where it waited to go on"
    short = "00:01:10"  # scripts that go on stop at half of so short a limit

    def __init__(
        self,
        name: str,
        make_project: MakeProject,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        super().__init__(name, make_project, folder, monkeypatch)
        self.cluster = Path(os.environ["SGE_ROOT"]).parent
        commands = folder / "commands"
        commands.mkdir()
        self._log, self._cut = folder / "submitted", folder / "cut"
        for command in ("qsub", "qstat", "qacct", "qdel"):
            real = str(shutil.which(command))
            text = (
                _RECORDER.format(real=real, log=self._log)
                if command == "qsub"
                else f'#!/bin/bash\nexec {real} "$@"\n'
            )
            cut = f"[ ! -e '{self._cut}' ] || export SGE_QMASTER_PORT=1\n"
            (commands / command).write_text(text.replace("\n", f"\n{cut}", 1))
            (commands / command).chmod(0o755)
        monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")

    def project(self, name: str = "project", major: str = "5", **types: Any) -> Project:
        assert major == "5"
        project = on_gridengine_site(self._make)(name, **types.pop("submit", {}))
        site = Path(project.environment["RELION_DISPATCH_SITE"]) / "site.json"
        change_site(project, job_parameters=json.loads(site.read_text())["job_parameters"] | types)
        return project

    def limited_to(self, time: str) -> dict[str, Any]:
        return {"submit": {"time": time}}

    def cancel(self, number: str) -> None:
        subprocess.run(["qdel", number], check=True)

    def release(self, *numbers: str) -> None:
        subprocess.run(["qrls", ",".join(numbers)], check=True)

    def in_queue(self, number: str) -> bool:
        return in_queue(number)

    def copies(self, token: str) -> list[str]:
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        marked = f"-ac relion-dispatch={token} "
        return [line.split()[0] for line in lines if marked in f"{line} " and line[:1].isdigit()]

    def knows(self, number: str) -> str:
        """A job that never ran has no accounting."""
        if in_queue(number):
            return "in the queue"
        done = subprocess.run(["qacct", "-j", number], capture_output=True, text=True)
        found = dict(re.findall(r"^(failed|exit_status) +(\d+)", done.stdout, re.MULTILINE))
        if not found:
            return "no accounting"
        return f"failed {found['failed']}, exit_status {found['exit_status']}"

    def script_of(self, number: str) -> int:
        return int(subprocess.check_output(["pgrep", "-o", "-f", self._script(number)], text=True))

    def _script(self, number: str) -> str:
        return f"{self.cluster}/root/default/spool/execd/.*/job_scripts/{number}$"

    def mark(self, project: Project, number: str) -> list[str]:
        return [f"JOB_ID={number}", f"SGE_ROOT={self.cluster}/root"]

    @contextmanager
    def cut_line(self) -> Iterator[_Port]:
        line = _Port(self._cut)
        try:
            yield line
        finally:
            line.open()

    def preempt(self, number: str) -> None:
        """Suspended, as the queue of a `subordinate_list` would be."""
        subprocess.run(["qmod", "-sj", number], check=True)

    def waits_again(self, number: str) -> bool:
        return queue_says(number) == "Rq"

    @contextmanager
    def silence(self) -> Iterator[Silence]:
        commands = ["qstat", "qconf", "qdel"]
        yield Silence(self.folder / "silence", commands, "SGE_QMASTER_PORT=1")

    def silence_node(self, node: str, number: str) -> None:
        lose_sight_of_node(number)

    def return_node(self, node: str) -> None:
        ask_operator(f"return {node}")

    def lose_node(self, project: Project, number: str) -> float:
        """Grid Engine says so when the node is back: until then the job may still run there."""
        ask_operator("lose node1")
        try:
            gone = ["pgrep", "-f", self._script(number)]
            wait_for(
                lambda: subprocess.run(gone, capture_output=True).returncode, 20, "the node's end"
            )
            time.sleep(12)  # longer than the master waits for a sign of life
            assert in_queue(number)
        finally:
            ask_operator("return node1")
        wait_for(lambda: not in_queue(number), 60, "the master's notice")
        return time.time()
