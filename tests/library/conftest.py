"""A bash that has read the library, and the settings of a job."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from ..stand_in_programs import link_stand_in

__all__ = ["JOB_TEMPLATE", "SCRATCH", "TOKEN", "Shell"]

JOB_TEMPLATE = Path(__file__).parents[2] / "job_template"
TOKEN = "0123456789ab"
SCRATCH = "0123456789abcdef"  # what nobody knows of the name of the scratch folder

SETTINGS = f"""
dispatch_job=Refine3D/job001 dispatch_token={TOKEN} dispatch_scheduler_job=17
dispatch_outfile=Refine3D/job001/run.out dispatch_errfile=Refine3D/job001/run.err
dispatch_nodes=1 dispatch_abort_grace=120 dispatch_lock=''
dispatch_uses_scratch='' dispatch_scratch_for_all=''
dispatch_image='' dispatch_image_state='' dispatch_environment=()
dispatch_gpu_tool=nvidia-smi dispatch_gpus=2 dispatch_watch_gpus='' dispatch_mps=''
dispatch_ranks=5 dispatch_leaders=1 dispatch_gpu_lists=(CUDA_VISIBLE_DEVICES)
dispatch_rank_table=''
"""
# What begin_job sets before anything else.
BEGUN = f"""
dispatch_host=here dispatch_control=$dispatch_job/.dispatch_control.$dispatch_token
enter_job; open_control || dispatch_kept=$dispatch_folder
dispatch_scratch=$dispatch_scratch_for_all/relion-dispatch.{SCRATCH}
dispatch_status=0 dispatch_reason='' dispatch_ending='' dispatch_told='' dispatch_facts=''
dispatch_command='' dispatch_guard='' dispatch_overdue='' dispatch_keeper_pid=''
dispatch_gpu_usage='' dispatch_places='' dispatch_task=() dispatch_kills_before=$(memory_kills)
dispatch_run=1 dispatch_at=0 dispatch_done=0 dispatch_began_with=0 dispatch_idle_before=0
dispatch_from='' dispatch_cut=''
known_endings() {{ printf '%s\\n' 'out of memory' 'its memory was used up: ask for more' ''; }}
"""


class Shell:
    """Calls functions of the library in a project's folder, which has the folder of a job."""

    def __init__(self, folder: Path) -> None:
        self.project = folder
        self.job = folder / "Refine3D" / "job001"
        self.job.mkdir(parents=True)
        self.programs = folder / "bin"
        self.programs.mkdir()
        self.log = folder / "log"

    def stand_in(self, *names: str) -> None:
        """Put stand-ins into the PATH."""
        for name in names:
            link_stand_in(name, self.programs)

    def __call__(
        self,
        code: str,
        *,
        scheduler: str = "local",
        given: Sequence[str] = (),
        **environment: str | Path,
    ) -> subprocess.CompletedProcess[str]:
        """Run `code`; `given` are settings other than the usual ones, as `name=value`."""
        files = sorted((JOB_TEMPLATE / "library").glob("*.sh"))
        functions = JOB_TEMPLATE / "schedulers" / scheduler / "functions.sh"
        if functions.exists():
            files.append(functions)
        sources = "".join(f"source '{path}'\n" for path in files)
        settings = SETTINGS + "".join(f"{each}\n" for each in given)
        return subprocess.run(
            ["bash", "-c", f"{sources}{settings}{BEGUN}{code}"],
            cwd=self.project,
            env={
                "PATH": f"{self.programs}:{os.environ['PATH']}",
                "HOME": str(self.project),
                **{name: str(value) for name, value in environment.items()},
            },
            capture_output=True,
            text=True,
            timeout=60,
            start_new_session=True,
        )

    def says(self, code: str, **options: object) -> str:
        """What `code` prints, without the last line break."""
        return self(code, **options).stdout.removesuffix("\n")  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def isolated(own_folders: None) -> None:
    """Each test has a cache and a site of its own, and no GPU."""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A bash that has read the library."""
    return Shell(tmp_path)


@pytest.fixture
def library_file(shell: Shell) -> None:
    """What this submission writes is newer than its library."""
    file = shell.job / "run_submit.script.lib"
    file.touch()
    os.utime(file, (1, 1))


@pytest.fixture
def control(shell: Shell) -> Path:
    """The control folder of the second run."""
    folder = shell.job / f".dispatch_control.{TOKEN}.2"
    folder.mkdir(mode=0o700)
    return folder
