"""All that refuses a job: called as RELION calls it, in a state in which it can only refuse."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from ..appliance_form import DEPLOY

__all__ = ["REFUSING"]


def refusal(folder: Path, script: str) -> None:
    """The hook itself, in a process of its own as the other programs."""
    start = "import sys; from dispatcher.refusal import refuse; sys.exit(refuse(*sys.argv[1:]))"
    call(sys.executable, "-c", start, script, "This is a test.", PYTHONPATH=str(DEPLOY.parent))


def python_shim(folder: Path, script: str) -> None:
    """An installation whose modules are gone."""
    shim = folder / "deploy" / "relion_dispatch.py"
    shim.parent.mkdir()
    shutil.copy(DEPLOY / "relion_dispatch.py", shim)
    call(shim, script, RELION_DISPATCH_PYTHON=sys.executable)


def machine_without_python(folder: Path, script: str) -> None:
    """A host that has neither a Python of the dispatcher's own nor python3."""
    shim = folder / "relion_dispatch.py"
    text = (DEPLOY / "relion_dispatch.py").read_text()
    shim.write_text(text.replace("/usr/bin/python3", str(folder / "none")))
    shim.chmod(0o755)
    tools = folder / "tools"
    tools.mkdir()
    for name in ("readlink", "stat", "ln", "mv", "rm"):
        (tools / name).symlink_to(shutil.which(name) or name)
    call("/bin/sh", shim, script, PATH=str(tools), RELION_DISPATCH_PYTHON="")


def appliance_shim(folder: Path, script: str) -> None:
    """An appliance whose image is gone."""
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


REFUSING = [
    refusal,
    python_shim,
    machine_without_python,
    appliance_shim,
    installed_command,
    client_in_the_container,
]
