"""A project of the CCP-EM Pipeliner, on a host whose module leads to RELION."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

from ...waiting import wait_for
from ..host_project import HostProject

__all__ = ["BOTH", "CcpemProject"]

BOTH = {
    "Succeeded": {"PIPELINER_JOB_EXIT_SUCCESS", "RELION_JOB_EXIT_SUCCESS"},
    "Failed": {"PIPELINER_JOB_EXIT_FAILED", "RELION_JOB_EXIT_FAILURE"},
    "Aborted": {"PIPELINER_JOB_EXIT_ABORTED", "RELION_JOB_EXIT_ABORTED"},
}
_DEFAULTS: dict[str, str] = {}
# What Doppio, the Pipeliner's window, does every few seconds.
_LOOK = """
import json
from pipeliner.project_graph import ProjectGraph
with ProjectGraph(read_only=False) as graph:
    graph.check_process_completion()
    print(json.dumps({process.name: process.status for process in graph.process_list}))
"""


class CcpemProject(HostProject):
    """All is done with the Pipeliner's own command; the hook is called by the Pipeliner."""

    def begin(self) -> None:
        """Make it a project of the Pipeliner's."""
        (self.folder / "default_pipeline.star").unlink()
        self.pipeliner("--new_project")

    def _environment(self) -> dict[str, str]:
        # Each user has settings of the Pipeliner's own below the home.
        return {**super()._environment(), "XDG_CONFIG_HOME": str(self.folder.parent / "config")}

    def pipeliner(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Type its command."""
        return self.relion(str(Path(os.environ["RELION_TEST_CLIENTS"]).with_name("pipeliner")),
                           *arguments)  # fmt: skip

    def run_job(self, label: str, **options: object) -> Path:  # type: ignore[override]
        """Run a job with the Pipeliner's default values but for `options`; its folder."""
        star = self.folder / f"{label.replace('.', '_')}_job.star"
        if label not in _DEFAULTS:  # a call takes seconds, and always gives the same
            self.pipeliner("--default_jobstar", label)
            _DEFAULTS[label] = star.read_text()
        text = _DEFAULTS[label]
        for name, value in options.items():
            text, count = re.subn(rf"(?m)^( *{name} +).*$", rf"\g<1>{value} ", text)
            assert count == 1, (name, text)
        star.write_text(text)
        before = set(self.folder.glob("*/job???"))
        done = self.pipeliner("--run_job", star.name)
        (job,) = set(self.folder.glob("*/job???")) - before
        (job / "pipeliner.out").write_text(done.stdout + done.stderr)
        return job

    def status(self, job: Path) -> str:
        """What the Pipeliner has of the job, once it has looked."""
        looked = self.relion(os.environ["RELION_TEST_CLIENTS"], "-c", _LOOK)
        assert looked.returncode == 0, looked.stderr
        states: dict[str, Any] = json.loads(looked.stdout.splitlines()[-1])
        return str(states[f"{job.parent.name}/{job.name}/"])

    def wait_for_status(self, job: Path, wanted: str) -> None:
        """Wait until there is an end; both dialects tell it, and the Pipeliner has it."""
        wait_for(lambda: len(self.ends(job)) == 2, 60, "an end in both dialects")
        assert self.ends(job) == BOTH[wanted], (job / "run.err").read_text()[-3000:]
        assert not (job / "PIPELINER_JOB_ABORT_NOW").exists()
        assert self.status(job) == wanted

    @staticmethod
    def ends(job: Path) -> set[str]:
        """The files that tell an end."""
        return {path.name for path in job.glob("*_JOB_EXIT_*")}
