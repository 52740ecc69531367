"""Files that run as the user are never writable by the group, whatever the user's umask is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..hook_calls import call_hook
from ..stand_in_scheduler import StandIn


@pytest.fixture
def writable_by_the_group() -> Iterator[None]:
    """As many a shared project has it."""
    before = os.umask(0o002)
    yield
    os.umask(before)


@pytest.mark.usefixtures("images", "writable_by_the_group")
def test_scripts_and_library_are_the_users_alone(
    tmp_path: Path, site: Callable[..., Path], corpus_job: Callable[[str], Path]
) -> None:
    watcher = {"submit_command": [str(tmp_path / "slurm" / "sbatch"), "--after={job_id}"]}
    StandIn(tmp_path / "slurm", site, watcher=watcher)
    job = corpus_job("relion-5.0.1/PostProcess_job016")

    assert call_hook(job).returncode == 0

    modes = {
        file.suffix: file.stat().st_mode & 0o777 for file in job.parent.glob("run_submit.script.*")
    }
    assert modes == {".run": 0o644, ".lib": 0o644, ".watch": 0o644}
    assert (job.parent / "dispatch.json").stat().st_mode & 0o777 == 0o664
