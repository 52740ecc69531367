"""RELION's own list of a project's jobs: ``default_pipeline.star``.

RELION 3.1 writes a job's status as a number, 4.0 and newer as a word (``src/pipeliner.cpp``,
``src/pipeline_jobs.h``).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from .pipeline_version import PIPELINE
from .star import read_blocks

__all__ = ["Process", "read_processes"]

_NUMBERS = {"0": "Running", "1": "Scheduled", "2": "Succeeded", "3": "Failed", "4": "Aborted"}


class Process(NamedTuple):
    """A job as RELION knows it.

    Attributes:
        name: ``Refine3D/job019``, without trailing slash.
        status: "Running", "Scheduled", "Succeeded", "Failed" or "Aborted".
    """

    name: str
    status: str


def read_processes(project: Path) -> tuple[Process, ...]:
    """All jobs of the project, in RELION's order.

    RELION writes the file anew in its place: what is read in that moment is read once more.

    Raises:
        InputError: there is no pipeline, or it is damaged.
    """
    for attempt in range(10):
        try:
            return _read(project)
        except InputError:
            if attempt == 9 or not (project / PIPELINE).exists():
                raise
            time.sleep(0.1)
    raise AssertionError


def _read(project: Path) -> tuple[Process, ...]:
    for block in read_blocks(project / PIPELINE):
        if block.name == "pipeline_processes":
            names = block.column("_rlnPipeLineProcessName")
            words = block.column("_rlnPipeLineProcessStatusLabel")
            status = words or [
                _NUMBERS.get(number, number) for number in block.column("_rlnPipeLineProcessStatus")
            ]
            return tuple(
                Process(name.rstrip("/"), each) for name, each in zip(names, status, strict=True)
            )
    return ()
