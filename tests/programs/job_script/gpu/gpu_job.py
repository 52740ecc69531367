"""How a job script on a node with GPUs ran, and what it left."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

JOB = "relion-5.0.1/Refine3D_job011"
TOKEN = "0123456789ab"


class Ran:
    """How a job script ran, and what it left."""

    def __init__(self, status: int, folder: Path, script: Path) -> None:
        self.status = status
        self.out = (script.parent / "run.out").read_text()
        self.err = (script.parent / "run.err").read_text()
        self.job = script.parent
        recorded = folder / "recorded"
        self.recorded = recorded.read_text().splitlines() if recorded.exists() else []
        mps = folder / "mps.log"
        self.mps = mps.read_text().splitlines() if mps.exists() else []

    @property
    def ranks(self) -> int:
        """The number after mpirun's -n."""
        words = self.recorded[0].split()
        return int(words[words.index("-n") + 1])

    @property
    def devices(self) -> str:
        """The value of RELION's option --gpu."""
        words = self.recorded[0].split()
        return words[words.index("--gpu") + 1]

    @property
    def usage(self) -> list[str]:
        """The GPUs in what the job script has written about its run."""
        lines = (self.job / f"dispatch.run.{TOKEN}").read_text().splitlines()
        return [line for line in lines if line.startswith("gpu ")]

    @property
    def container(self) -> dict[str, str]:
        """CUDA's and ROCm's variables in the container."""
        pairs = (line.removeprefix("APPTAINERENV_").split("=", 1) for line in self.recorded[1:])
        return dict(pairs)


Run = Callable[..., Ran]
SMI = ["gpu/nvidia-smi"]
MPS = ["gpu/nvidia-cuda-mps-control"]
