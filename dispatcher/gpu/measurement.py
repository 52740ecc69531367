"""Measure what a card takes: each measurement in a process of its own.

A context stays until its process ends, and only another process can see what the context costs.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..config.gpu_vendors import USUAL_VENDOR
from ..errors import GpuError
from ..units import gibibytes
from .cuda_driver import LIBRARY, Context

__all__ = ["KERNELS", "main", "measure"]

KERNELS = 100_000_000  # RELION's kernels and cuFFT's, which a bare context has not loaded
PROBE = 512  # columns, rows and sections of the textures compared: 512 MiB
SECONDS = 120  # for one measurement
BUSY_PERCENT = 90  # with less free memory than this, somebody else computes on the card


def measure(
    what: str, device: int, library: str = LIBRARY, environment: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Measure ``what`` ("context", "textures", "buffers") in a new process.

    Raises:
        GpuError: there is no GPU, it is in use, or the measurement fails.
    """
    with _process([what, str(device), library], environment) as process:
        try:
            out, err = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            raise GpuError(
                f"The GPU did not answer within {SECONDS} s, while its {what} was measured: check "
                "that nvidia-smi works in the same job, and try again."
            ) from None
    if process.returncode:
        last = err.strip().splitlines()[-1:] or [f"status {process.returncode}"]
        raise GpuError(last[0])
    answer: dict[str, Any] = json.loads(out)
    return answer


@contextmanager
def _process(
    arguments: list[str], environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """This module's :func:`main` in a new Python process, which ends with the block."""
    start = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); "
        "from dispatcher.gpu.measurement import main; sys.exit(main(sys.argv[1:]))"
    )
    root = str(Path(__file__).resolve().parents[2])
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", start, root, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **USUAL_VENDOR.settings, **(environment or {})},
    )
    try:
        yield process
    finally:
        with contextlib.suppress(OSError):  # a process that holds a context waits for this
            if process.stdin:
                process.stdin.close()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()


def main(arguments: list[str]) -> int:
    """Measure once (``WHAT DEVICE LIBRARY``); print JSON, or a sentence on standard error."""
    what, device, library = arguments
    try:
        context = Context(int(device), library)
        if what == "hold":
            print("ready", flush=True)
            sys.stdin.readline()
            return 0
        print(json.dumps(_measured(what, context, int(device), library)))
    except GpuError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _measured(what: str, context: Context, device: int, library: str) -> dict[str, Any]:
    if what == "textures":
        pitch = context.pitch(4)
        return {"texture_tile": texture_tile(context), "texture_pitch": pitch}
    if what == "buffers":
        return {"allocation_step": max(1, context.buffer_bytes(1))}
    free, total = context.memory()
    if free * 100 < total * BUSY_PERCENT:
        raise GpuError(
            f"The GPU {context.name} is in use: {gibibytes(free)} of {gibibytes(total)} are free. "
            "Measure a GPU on which nobody else computes."
        )
    return {
        "name": context.name,
        "total": total,
        "context": _cost_of_another(context, device, library),
    }


def _cost_of_another(context: Context, device: int, library: str) -> int:
    """Bytes that the context of another process takes, seen from this process."""
    before, _ = context.memory()
    with _process(["hold", str(device), library]) as other:
        assert other.stdout
        if other.stdout.readline() != "ready\n":
            raise GpuError(
                "A second process could not use the GPU: check whether the GPU is in "
                "exclusive mode."
            )
        return before - context.memory()[0]


def texture_tile(context: Context) -> tuple[int, int, int]:
    """Columns, rows and sections of the tiles that 3D textures consist of.

    A texture with one column more than a multiple of the tile's takes a whole tile more.
    """
    whole = context.texture_bytes(PROBE, PROBE, PROBE)
    area = 4 * PROBE * PROBE

    def tile(columns: int, rows: int, sections: int) -> int:
        more = context.texture_bytes(PROBE + columns, PROBE + rows, PROBE + sections) - whole
        return max(1, -(-more // area))

    return tile(1, 0, 0), tile(0, 1, 0), tile(0, 0, 1)
