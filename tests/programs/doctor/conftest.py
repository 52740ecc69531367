"""A project on a site whose image, GPU and scheduler are stand-ins, and the doctor there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dispatcher.cli import main
from dispatcher.config.gpu_vendors import VENDORS

from ...fixture_types import WriteSite
from ...stand_in_programs import link_stand_in
from ..stand_in_scheduler import StandIn

Doctor = Callable[..., dict[str, Any]]

# It runs the script, and the queue says so; its programs are called in the folder of the stand-in.
RUNS = """\
id=$((17 + $(wc -l <queue))) here=$PWD
take $id RUNNING
cd "$OLDPWD" || exit
{before}
setsid bash -c 'echo $$ >"$1.pid"; bash "$2"; sed -i "/^$3|/s/RUNNING/COMPLETED/" "$4/queue"' \
    bash "$here/$id" "${{submitted[-1]}}" $id "$here" </dev/null >/dev/null 2>&1 &
echo $id
"""
CANCELS = 'sed -i "/^$1|/s/|[A-Z]*|/|CANCELLED|/" queue; kill -- "-$(cat "$1.pid")"'
# Waits for the job, and starts the watcher's script.
WATCHES = """\
here=$PWD
cd "$OLDPWD" || exit
setsid bash -c 'until grep -q "^$3|.*CANCELLED" "$1/queue"; do sleep 0.1; done; bash "$2" "$3"' \
    bash "$here" "$1" "$2" </dev/null >/dev/null 2>&1 &
echo 99
"""
ENDED = "echo JobState=COMPLETED ExitCode=0:0"


@pytest.fixture
def bare_project(
    tmp_path: Path, site: WriteSite, images: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """An empty project; the image's programs are stand-ins on this machine."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("apptainer", "relion_refine", "mpirun"):
        link_stand_in(f"doctor/{name}", programs)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    site("site.json", {"mpi": {"mpirun": ["mpirun"]}, "mps": False})
    folder = tmp_path / "project of a user"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def card(
    bare_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site: WriteSite
) -> None:
    """A machine with a stand-in of a GPU, and of NVIDIA's multi-process service."""
    device = tmp_path / "nvidiactl"
    device.touch()
    monkeypatch.setitem(VENDORS, "nvidia", VENDORS["nvidia"]._replace(device=device))
    link_stand_in("doctor/nvidia-smi", tmp_path / "programs")
    link_stand_in("gpu/nvidia-cuda-mps-control", tmp_path / "programs")
    monkeypatch.setenv("MPS_LOG", str(tmp_path / "mps.log"))
    site("site.json", {"mpi": {"mpirun": ["mpirun"]}})


@pytest.fixture
def doctor(bare_project: Path, capsys: pytest.CaptureFixture[str]) -> Doctor:
    """Call the doctor; what it says of the first place, by the checks' names."""

    def call(*arguments: str) -> dict[str, Any]:
        main(["doctor", "--json", *arguments])
        place = json.loads(capsys.readouterr().out)["places"][0]
        assert not list(bare_project.iterdir())  # nothing is left behind
        return {each["check"]: each for each in place["findings"]} | {"facts": place["facts"]}

    return call


@pytest.fixture
def queue(bare_project: Path, tmp_path: Path, site: WriteSite) -> StandIn:
    """A scheduler that runs jobs, and watchers behind them."""
    folder = tmp_path / "scheduler"
    keys: dict[str, Any] = {"watcher": {"submit_command": [str(folder / "watch")]}}
    found = StandIn(folder, site, **keys)
    (folder / "watch").symlink_to((folder / "sbatch").readlink())
    (tmp_path / "programs" / "mpirun").rename(tmp_path / "programs" / "mpirun.real")
    (tmp_path / "programs" / "mpirun").write_text('#!/bin/bash\nexec "${0}.real"\n')
    (tmp_path / "programs" / "mpirun").chmod(0o755)
    found.submits(RUNS.format(before=""))
    found.does("scancel", CANCELS)
    found.does("watch", WATCHES)
    found.says_of_ends(ENDED)
    return found


def plant(folder: Path, name: str, body: str) -> None:
    """A program before those of this machine."""
    program = folder / "programs" / name
    program.write_text(f"#!/bin/bash\n{body}\n")
    program.chmod(0o755)
