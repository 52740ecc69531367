"""What a fault needs of a cluster, whichever scheduler it has."""

from __future__ import annotations

import json
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ...waiting import wait_for_end
from ..hook_calls import job_id, start_hook
from ..jobs import mark_running
from ..project import MakeProject, Project
from .servers import Late, LateServer, Line

__all__ = ["Bed"]


class Bed(ABC):
    """A cluster, and the project that goes there.

    Attributes:
        name: of the cluster.
        within: seconds in which RELION must be told of what only the watcher can tell.
    """

    scheduler: ClassVar[str]
    submit: ClassVar[list[str]]  # the submit command
    script_on_stdin: ClassVar[bool] = False
    held: ClassVar[str]  # the option for a job that waits, whose state is then:
    waits: ClassVar[str]
    impossible: ClassVar[list[tuple[list[str], str]]]  # options that are refused, and how
    unreachable: ClassVar[str]  # what commands say of a server that is down
    cancelled_waiting: ClassVar[str] = "it was cancelled in the queue: submit the job again"
    passing: ClassVar[tuple[str, ...]]  # the beginnings of `knows` of a job that is not over
    within: ClassVar[float] = 30
    limit: ClassVar[
        tuple[str, int]
    ]  # the shortest time limit, as a site writes it; and its seconds

    def __init__(
        self,
        name: str,
        make_project: MakeProject,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        self.name, self._make, self.folder, self.monkeypatch = (
            name,
            make_project,
            folder,
            monkeypatch,
        )

    def stop(self) -> None:
        """End what was started for this test."""
        return

    # A project

    def project(self, name: str = "project", major: str = "5", **types: Any) -> Project:
        """Make a project whose jobs go here; `types` are `job_parameters` of its site."""
        return self._make(major, scheduler=self.scheduler, name=name, **types)

    def limited_to(self, time: str) -> dict[str, Any]:
        """`job_parameters` with a time limit."""
        return {"submit": {"partition": "gpu", "nthread": 1, "mem": "2G", "time": time}}

    def on_first_node(self) -> dict[str, Any]:
        """`job_parameters` for jobs on the node that `lose_node` loses."""
        return {}

    def change(self, project: Project, **keys: Any) -> None:
        """Lay keys upon the scheduler of the project's site."""
        file = Path(project.environment["RELION_DISPATCH_SITE"]) / "site.json"
        content = json.loads(file.read_text())
        content.setdefault("schedulers", {}).setdefault(self.scheduler, {}).update(keys)
        file.write_text(json.dumps(content))

    def hold(self, project: Project) -> None:
        """Let jobs wait from now on."""
        self.change(project, submit_command=[*self.submit, self.held])

    def wrap(self, project: Project, body: str, **keys: Any) -> Path:
        """Put a wrapper of the site's before the submit command; a job's submission runs `body`.

        There ``real "$@"`` is the submit command, as often as it is called.
        """
        program = project.folder.parent / f"{self.submit[0]}-wrapper"
        real = " ".join([str(shutil.which(self.submit[0])), *self.submit[1:]])
        keep, given = ("given=$0.$$; cat >$given", "<$given") if self.script_on_stdin else ("", "")
        program.write_text(
            f'#!/bin/bash\n{keep}\nreal() {{ {real} "$@" {given}; }}\n'
            f"echo $$ >>'{program}.calls'\n{body}\n"
        )
        program.chmod(0o755)
        self.change(project, submit_command=[str(program)], **keys)
        return program

    def submitted(self, project: Project, job: Path, **environment: str) -> str:
        """Call the hook for a job that RELION has as Running; the job's id."""
        mark_running(project, job)
        hook = start_hook(project, job, **environment)
        output, _ = hook.communicate(timeout=120)
        assert hook.returncode == 0, output
        return job_id(project, job)

    def assert_ran_once(self, project: Project, job: Path) -> None:
        """RELION's programs ran once, and the record has the job that ran them."""
        wait_for_end(job, "SUCCESS", 60)
        record = project.record(job)
        assert self.copies(record["token"]) == [record["job_id"]]
        assert (job / "run.out").read_text().count("relion-dispatch ") == 1

    # What a user does

    @abstractmethod
    def cancel(self, number: str) -> None:
        """Cancel a job, as a user does."""

    @abstractmethod
    def release(self, *numbers: str) -> None:
        """Let held jobs run, all at the same moment."""

    # What the scheduler knows

    @abstractmethod
    def in_queue(self, number: str) -> bool:
        """Whether the queue has a job that is not over."""

    @abstractmethod
    def copies(self, token: str) -> list[str]:
        """The ids of all jobs that carry this token, also of those that are over."""

    @abstractmethod
    def knows(self, number: str) -> str:
        """What the scheduler says of a job that may be over."""

    # What goes on

    @abstractmethod
    def script_of(self, number: str) -> int:
        """The process of a job's script."""

    @abstractmethod
    def mark(self, project: Project, number: str) -> list[str]:
        """Variables, as ``NAME=value``, that each of a job's processes has, and no other."""

    def nodes_tmp(self) -> Iterator[Path]:
        """The folders that are /tmp on the nodes."""
        yield Path("/tmp")

    def processes(self, project: Project, number: str) -> list[int]:
        """A job's processes that this user may end, the job's script first."""
        script, marks = (
            self.script_of(number),
            {os.fsencode(each) for each in self.mark(project, number)},
        )
        found = [script]
        for pid in sorted(
            int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()
        ):
            try:
                environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                own = Path(f"/proc/{pid}").stat().st_uid == os.getuid()
            except OSError:
                continue
            if own and pid != script and marks <= {*environment}:
                found.append(pid)
        return found

    # Faults of the cluster's own

    @abstractmethod
    def cut_line(self) -> AbstractContextManager[Line]:
        """A line to the server, which is cut until it is opened."""

    @contextmanager
    def late(self, project: Project) -> Iterator[Late]:
        """The server takes the first job when it is told to, with nobody left to hear of it."""
        server = LateServer(project.folder.parent / "late")
        self.wrap(
            project,
            f"mkdir '{server.asked}' && (until [ -e '{server.told}' ]; do sleep 0.1; done\n"
            f"real \"$@\"; touch '{server.done}') >/dev/null 2>&1 & exec sleep 60",
            timeout=2,
        )
        yield server

    @abstractmethod
    def lose_node(self, project: Project, number: str) -> float:
        """Lose the job's node until the scheduler has noticed; when that was (since the epoch)."""
