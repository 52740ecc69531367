"""What unit tests have, and job scripts that run."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..unit.conftest import (  # noqa: F401  (fixtures)
    corpus_job,
    images,
    own_folders,
    project,
    shared_cache,
    site,
)
from .running_job import RunningJob


@pytest.fixture
def running_job(tmp_path: Path, project: Path) -> RunningJob:  # noqa: F811
    """Runs job scripts of the project's submissions."""
    return RunningJob(tmp_path, project)
