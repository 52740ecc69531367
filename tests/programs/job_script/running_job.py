"""Job scripts run for real by bash, with a stand-in for Apptainer, which unit tests do not have."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from dispatcher.config.configuration import load_configuration
from dispatcher.host.runtime_folder import make_local_lock
from dispatcher.job_script.launchers import settled
from dispatcher.job_script.library import LIBRARY, read_library
from dispatcher.planning.make_plan import plan_script
from dispatcher.planning.plan import Plan

from ...stand_in_programs import link_stand_in


def write_job_script(plan: Plan, token: str, path: Path) -> None:
    """Write the job script to `path`, its library beside the job, and the folder for the lock of
    local jobs, as the hook does."""
    library = read_library(*plan.template_folders)
    (plan.project / plan.name / LIBRARY).write_text(library.text)
    make_local_lock()
    path.write_text(settled(plan, token, library).script)


class RunningJob:
    """Renders a submission's job script, and runs it as the scheduler would: in its own session."""

    def __init__(self, folder: Path, project: Path) -> None:
        self.folder = folder
        self.project = project
        self.programs = folder / "bin"
        self.programs.mkdir()
        self.program("apptainer")

    def program(self, name: str) -> None:
        """Put a stand-in into the script's PATH."""
        link_stand_in(name, self.programs)

    def render(self, script: Path, token: str | None = None) -> Path:
        """The job script of a new submission, in the job's folder, and a copy in a file of its own.

        The corpus' scratch folder, /scratch, becomes ``scratch`` in the test's folder.
        """
        text = script.read_text()
        script.write_text(text.replace("_dir /scratch ", f"_dir {self.folder}/scratch "))
        token = token or secrets.token_hex(6)
        rendered = self.folder / f"job_script.{token}"
        write_job_script(plan_script(script, load_configuration()), token, rendered)
        shutil.copy(rendered, script.parent / "run_submit.script.run")
        return rendered

    def start(
        self, rendered: Path, *, texts: Path | None = None, **environment: str
    ) -> subprocess.Popen[str]:
        """Start a rendered script; in the folder `texts` are the files that Slurm would open."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            ["bash", rendered],
            text=True,
            stdout=(texts / "run.out").open("a") if texts else pipe,
            stderr=(texts / "run.err").open("a") if texts else pipe,
            cwd=self.project,
            start_new_session=True,
            env={
                "PATH": f"{self.programs}:{os.environ['PATH']}",
                "HOME": str(self.folder),
                "RECORDED": str(self.folder / "recorded"),
                **environment,
            },
        )

    def run(
        self, script: Path, token: str | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Render and run to the end."""
        job = self.start(self.render(script, token), **environment)
        output, errors = job.communicate(timeout=60)
        return subprocess.CompletedProcess(job.args, job.returncode, output, errors)


RunScript = Callable[..., subprocess.CompletedProcess[str]]


def exit_files(script: Path) -> set[str]:
    """Which of RELION's exit files lie beside `script`."""
    return {path.name.rpartition("_")[2] for path in script.parent.glob("RELION_JOB_EXIT_*")}
