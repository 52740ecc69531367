"""RELION runs small refinements without a scheduler, and goes on as a job script has it do."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

from dispatcher.job_script.library import read_library
from dispatcher.relion.command import parse_command
from dispatcher.relion.continuation import Continuation, continued

from .refinements import Refinement

__all__ = ["Run", "options_that_warn"]

RANKS = ("mpirun", "-n", "3", "--oversubscribe", "--bind-to", "none")


class Run:
    """Runs RELION in one folder, in one image."""

    def __init__(self, folder: Path, image: Path) -> None:
        self.folder = folder
        container = [os.environ["RELION_TEST_APPTAINER"], "-q", "exec", "--bind", str(folder)]
        self._container = [*container, "--pwd", str(folder), str(image)]

    def from_the_beginning(self, refinement: Refinement) -> str:
        """What RELION says; its files are in the job's folder."""
        (self.folder / refinement.job).mkdir(parents=True)
        return self._ends_well(shlex.join(self._words(refinement)), refinement.line)

    def from_where_it_was_cut(self, refinement: Refinement, version: tuple[int, int]) -> str:
        """As the job script does: what the library finds, and the command's form for that."""
        found = continued(parse_command(refinement.line), refinement.job, version)
        assert isinstance(found, Continuation), found
        job = self.folder / refinement.job
        control = job / ".dispatch_control.0123456789ab"
        control.mkdir(exist_ok=True)
        os.utime(self._submitted(job), (1, 1))
        library = control / "library.sh"
        library.write_text(read_library().text)
        settings = (
            f"source {refinement.job}/{control.name}/{library.name}\n"
            f"dispatch_folder={refinement.job} dispatch_control={refinement.job}/{control.name} "
            f"dispatch_kept={refinement.job}/{control.name}\n"
            "dispatch_run=2 dispatch_at=0 dispatch_done=0; note_in_lease() { :; }\n"
        )
        begin = f"prepare_to_go_on {found.way} {found.root.shell()} {found.least}\n"
        words = shlex.join(self._words(refinement))
        return self._ends_well(f"{settings}{begin}{words}", found.command.shell())

    def by_hand(self, refinement: Refinement) -> None:
        """As RELION's window continues it: the new files have another root, run_ct2."""
        optimiser = f"{refinement.job}/run_it{refinement.after:03}_optimiser.star"
        places = f"--continue {optimiser} --o {refinement.job}/run_ct{refinement.after}"
        command = f"{refinement.program} {places} {refinement.by_hand}"
        self._ends_well(shlex.join(self._words(refinement)), command)

    def _words(self, refinement: Refinement) -> list[str]:
        return [*self._container, *(RANKS if refinement.ranks else ())]

    def _submitted(self, job: Path) -> Path:
        library = job / "run_submit.script.lib"
        library.touch()
        return library

    def _ends_well(self, before: str, command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", f"{before} {command}"],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, said[-3000:]
        return said


def options_that_warn(said: str) -> set[str]:
    """The options of which RELION says that it does not know them."""
    return set(re.findall(r"Option (--\w+)\s+is not a valid RELION argument", said))
