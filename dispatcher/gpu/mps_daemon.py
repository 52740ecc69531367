"""Run an MPS daemon for one measurement, in folders of its own, and stop it again."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..config.gpu_vendors import USUAL_VENDOR
from ..errors import GpuError

__all__ = ["PROGRAM", "mps_daemon"]

PROGRAM = "nvidia-cuda-mps-control"
SECONDS = 20  # until the daemon answers, and until it is gone


@contextmanager
def mps_daemon(program: str = PROGRAM) -> Iterator[dict[str, str]]:
    """Run a control daemon while the block runs; yields the environment of its clients.

    Its pipe folder is new and private, so the daemons of other users and jobs are left alone.

    Raises:
        GpuError: there is no such program, or the daemon does not start or stop.
    """
    if shutil.which(program) is None:
        raise GpuError(f"This node has no {program}, so a context under MPS was not measured.")
    # Short: the daemon's socket has a path of at most 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="relion-mps-", dir="/tmp"))
    folders = {
        "CUDA_MPS_PIPE_DIRECTORY": str(folder / "pipe"),
        "CUDA_MPS_LOG_DIRECTORY": str(folder / "log"),
    }
    environment = {**os.environ, **USUAL_VENDOR.settings, **folders}

    def control(request: str) -> bool:
        try:
            done = subprocess.run(
                [program], input=f"{request}\n", env=environment, text=True,
                capture_output=True, timeout=SECONDS,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired):
            return False
        return done.returncode == 0

    started, gone = False, True
    try:
        for path in folders.values():
            Path(path).mkdir(mode=0o700)
        daemon = subprocess.run(
            [program, "-d"], env=environment, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=SECONDS,
        )  # fmt: skip
        started = True
        if daemon.returncode or not _within(lambda: control("get_server_list")):
            raise GpuError(
                f"{program} does not start here: {daemon.stderr.strip() or 'no answer'}."
            )
        yield folders
    finally:
        if started:
            control("quit")
            gone = _within(lambda: not control("get_server_list"))
        shutil.rmtree(folder, ignore_errors=True)
    if not gone:
        raise GpuError(
            f"The {program} that was started for the measurement does not end: end that process by "
            "hand."
        )


def _within(answer: Callable[[], bool]) -> bool:
    """Whether ``answer()`` becomes true in time."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if answer():
            return True
        time.sleep(0.1)
    return False
