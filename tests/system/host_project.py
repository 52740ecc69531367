"""A RELION project whose RELION is on the host, where a module leads to it."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ..waiting import wait_for
from .project import ROOT, Project

__all__ = ["HostProject"]

# The job script inherits nothing of this: RELION's system() drops what it does not know.
_WITH_RELION = '. /usr/share/lmod/lmod/init/bash && module load relion/host && exec "$@"'


@dataclass
class HostProject(Project):
    """A project in which RELION's own pipeliner, from the module, calls the hook."""

    @property
    def site(self) -> Path:
        """The site's folder."""
        return Path(self.environment["RELION_DISPATCH_SITE"])

    def _environment(self) -> dict[str, str]:
        return {
            **self.environment,
            "MODULEPATH": f"{os.environ['RELION_TEST_HOST_RELION']}/modules",
            "RELION_QUEUE_USE": "Yes",
            "RELION_QSUB_COMMAND": str(self.hook),
            "RELION_QSUB_TEMPLATE": str(ROOT / "job_template" / "relion_template.sh"),
        }

    def relion(self, *command: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Run one of the module's RELION programs, its queue jobs dispatched."""
        return subprocess.run(
            ["bash", "-c", _WITH_RELION, "bash", *command],
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def write_job(self, name: str, command: str) -> Path:
        """Write a submission in the three-line form of the FMI's template; returns its script."""
        script = self.folder / name / "run_submit.script"
        script.parent.mkdir(parents=True)
        script.write_text(f"{name}/run.out\n{name}/run.err\n{command}\n")
        return script

    def submit(self, script: Path) -> None:
        """Call the hook, as RELION does."""
        done = self.relion(str(self.hook), str(script.relative_to(self.folder)))
        assert done.returncode == 0, done.stdout + done.stderr

    def wait_for_end(self, script: Path) -> str:
        """What RELION is told: SUCCESS, FAILURE or ABORTED."""
        wait_for(lambda: any(script.parent.glob("RELION_JOB_EXIT_*")), 60, "the job's end")
        (end,) = script.parent.glob("RELION_JOB_EXIT_*")
        return end.name.removeprefix("RELION_JOB_EXIT_")
