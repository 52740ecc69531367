"""A project on a site whose image and GPU are stand-ins, and the doctor on its rounds there."""

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

Doctor = Callable[..., dict[str, Any]]


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
