"""What refuses a job without the dispatcher's Python takes the same folders for a job's.

Each program is called as RELION calls it, in a state in which it can only refuse.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dispatcher.refusal import refuse

DEPLOY = Path(__file__).parents[3] / "deploy"
NAMES = ["job001", "job0123", "job12", "job", "job001x", "jobs001", "job00a1", "001", "myjob001"]


def refusal(folder: Path, script: str) -> None:
    refuse(script, "This is a test.")


def python_shim(folder: Path, script: str) -> None:
    """An installation whose modules are gone."""
    shim = folder / "deploy" / "relion_dispatch.py"
    shim.parent.mkdir()
    shutil.copy(DEPLOY / "relion_dispatch.py", shim)
    call(shim, script, RELION_DISPATCH_PYTHON=sys.executable)


def appliance_shim(folder: Path, script: str) -> None:
    """An installation whose image is gone."""
    shim = folder / "relion_dispatch.py"
    shutil.copy(DEPLOY / "appliance.sh", shim)
    call(shim, script, RELION_DISPATCH_APPLIANCE=str(folder / "none.sif"))


def installed_command(folder: Path, script: str) -> None:
    """A command whose program is gone."""
    text = (DEPLOY / "environment" / "command.sh").read_text()
    text = text.replace("@APPTAINER@", ":").replace("@PROGRAMS@", str(folder))
    command = folder / "relion-dispatch"
    command.write_text(text.replace("@PREFIX@", str(folder)).replace("@NAME@", "gone"))
    command.chmod(0o755)
    call(command, script)


def client_in_the_container(folder: Path, script: str) -> None:
    """A session whose launcher is gone."""
    client = folder / "relion_client.sh"
    shutil.copy(DEPLOY / "relion_client.sh", client)
    call("sh", str(client), script)


def call(*words: str | Path, **environment: str) -> None:
    done = subprocess.run(words, env={**os.environ, **environment}, capture_output=True, timeout=60)
    assert done.returncode != 0


@pytest.mark.parametrize(
    "program",
    [refusal, python_shim, appliance_shim, installed_command, client_in_the_container],
    ids=lambda program: program.__name__,
)
@pytest.mark.parametrize("called", ["from the project", "from the folder"])
def test_only_job_folders_are_written_to(
    program: Callable[[Path, str], None],
    called: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    written = set()
    for name in NAMES:
        folder = tmp_path / "project" / "Refine3D" / name
        folder.mkdir(parents=True)
        monkeypatch.chdir(tmp_path / "project" if called == "from the project" else folder)
        of_program = tmp_path / f"for-{name}"
        of_program.mkdir()
        script = "run_submit.script"
        program(of_program, f"Refine3D/{name}/{script}" if "project" in called else script)
        found = {path.name for path in folder.iterdir()}
        assert found in (set(), {"run.err", "RELION_JOB_EXIT_FAILURE"})
        if found:
            written.add(name)
            assert (folder / "run.err").read_text().startswith("relion-dispatch: ")

    assert written == {"job001", "job0123"}
    capfd.readouterr()
