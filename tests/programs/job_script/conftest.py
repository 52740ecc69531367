"""Jobs, and a bash that runs their scripts."""

from __future__ import annotations

from pathlib import Path

import pytest

from ...fixture_types import CorpusJob
from .running_job import RunningJob, RunScript


@pytest.fixture
def running_job(tmp_path: Path, project: Path) -> RunningJob:
    """Runs job scripts of the project's submissions."""
    return RunningJob(tmp_path, project)


@pytest.fixture
def job(corpus_job: CorpusJob) -> Path:
    """A job of one command."""
    return corpus_job("relion-5.0.1/PostProcess_job016")


@pytest.fixture
def run_script(running_job: RunningJob) -> RunScript:
    """Render a submission's job script and run it in bash with a stand-in for Apptainer."""
    return running_job.run
