"""Calibration in real processes and under NVIDIA's real MPS control daemon.

The card is simulated: tests/data/simulated_libcuda.c stands in for the driver's library, for no GPU
is at hand. So the measuring is tested, not what a card takes.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from dispatcher.errors import GpuError
from dispatcher.gpu.calibration import calibrate
from dispatcher.gpu.mps_daemon import mps_daemon

from ..waiting import wait_for

SOURCE = Path(__file__).parents[1] / "data" / "simulated_libcuda.c"


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The simulated driver, with a card of its own."""
    built = tmp_path / "libcuda.so.1"
    subprocess.run(["cc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", built, SOURCE], check=True)
    card = tmp_path / "card"
    card.write_bytes(bytes(8))
    monkeypatch.setenv("SIMULATED_GPU", str(card))
    monkeypatch.delenv("CUDA_MPS_PIPE_DIRECTORY", raising=False)
    return str(built)


@pytest.fixture
def mps(tmp_path: Path) -> str:
    """The daemon's program, by a path of this test's own, which tells its processes from others."""
    program = tmp_path / "nvidia-cuda-mps-control"
    program.symlink_to(Path(os.environ["RELION_TEST_MPS"]) / program.name)
    return str(program)


def in_use(tmp_path: Path) -> int:
    return int.from_bytes((tmp_path / "card").read_bytes(), "little")


def mps_processes(program: str) -> list[int]:
    """Processes that run this program."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                command = (folder / "cmdline").read_bytes().split(b"\0")[0].decode()
            except OSError:
                continue
            if command == program:
                found.append(int(folder.name))
    return found


def test_what_the_card_takes_is_found(tmp_path: Path, library: str, mps: str) -> None:
    found = calibrate(0, library, mps)

    assert found.card == "Simulated 24 GB"
    assert found.left_out == []
    assert found.constants == {
        "context": 400_000_000,  # with 100 MB for kernels
        "context_mps": 300_000_000,
        "texture_tile": [8, 16, 4],
        "texture_pitch": 256,
        "allocation_step": 2**20,
    }
    assert in_use(tmp_path) == 0
    wait_for(lambda: mps_processes(mps) == [], 10, "the daemon's end")


def test_without_an_mps_daemon_the_rest_is_measured(library: str) -> None:
    found = calibrate(0, library, "no-such-mps-control")

    assert "context_mps" not in found.constants
    assert found.constants["context"] == 400_000_000
    assert "This node has no no-such-mps-control" in found.left_out[0]


def test_a_card_in_use_is_not_measured(tmp_path: Path, library: str) -> None:
    (tmp_path / "card").write_bytes((10 * 10**9).to_bytes(8, "little"))

    with pytest.raises(
        GpuError, match=r"Simulated 24 GB is in use: 14\.4 GiB of 24\.0 GiB are free"
    ):
        calibrate(0, library)


@pytest.mark.parametrize(
    ("device", "says"), [(1, "There is no GPU 1 on .*sees 1"), (0, "error 999")]
)
def test_what_the_driver_refuses_is_said(
    library: str, device: int, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if device == 0:
        monkeypatch.delenv("SIMULATED_GPU")
    with pytest.raises(GpuError, match=says):
        calibrate(device, library)


def test_the_daemon_ends_with_the_measurement_whatever_happens(mps: str) -> None:
    with pytest.raises(RuntimeError), mps_daemon(mps) as folders:
        pipe = Path(folders["CUDA_MPS_PIPE_DIRECTORY"])
        assert (pipe / "control").exists()
        assert pipe.stat().st_mode & 0o777 == 0o700
        assert len(mps_processes(mps)) == 1
        raise RuntimeError
    wait_for(lambda: mps_processes(mps) == [], 10, "the daemon's end")
    assert not pipe.parent.exists()
