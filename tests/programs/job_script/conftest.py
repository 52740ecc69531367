"""Job scripts that run."""

from __future__ import annotations

from pathlib import Path

import pytest

from .running_job import RunningJob


@pytest.fixture
def running_job(tmp_path: Path, project: Path) -> RunningJob:
    """Runs job scripts of the project's submissions."""
    return RunningJob(tmp_path, project)
