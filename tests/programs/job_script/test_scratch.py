"""The scratch folder of a job: made, used and removed."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from ...fixture_types import CorpusJob, WriteSite
from .run_files import last_line
from .running_job import RunningJob, exit_files

pytestmark = pytest.mark.usefixtures("images")


@pytest.fixture
def refinement(corpus_job: CorpusJob, site: WriteSite) -> Path:
    """A refinement that wants a scratch folder, without MPS."""
    site("site.json", {"mps": False})
    return corpus_job("relion-5.0.1/Refine3D_job011")


@pytest.mark.parametrize("ends", ["exit 0", "exit 3", "kill -KILL $$", "kill -TERM -$PPID"])
def test_the_scratch_folder_is_the_jobs_own_and_goes_with_it(
    ends: str, refinement: Path, running_job: RunningJob, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"

    running_job.run(
        refinement,
        ON_RUN=f'mkdir "$SCRATCH/relion_volatile"; echo "$SCRATCH" > {tmp_path}/used; {ends}',
    )

    used = Path((tmp_path / "used").read_text().strip())
    assert used.parent == scratch
    assert re.fullmatch(r"relion-dispatch\.[0-9a-f]{16}", used.name)
    assert list(scratch.iterdir()) == []


def test_folders_of_dead_jobs_are_cleaned_and_those_of_living_ones_are_not(
    refinement: Path, running_job: RunningJob, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    host = os.uname().nodename
    began = Path("/proc/self/stat").read_text().split()[21]
    owners = {
        "dead": f"{host} {os.getpid()} {int(began) - 1} ",
        "living": f"{host} {os.getpid()} {began} ",
        "elsewhere": "another-host 1 1 ",
        "living, with a job id": f"{host} {os.getpid()} {began} 17 ",
        "of another cluster": "another-host 1 1 17 another-cluster",
    }
    for number, owner in enumerate(owners.values()):
        folder = scratch / f"relion-dispatch.{number:012x}"
        folder.mkdir(parents=True)
        (folder / "owner").write_text(owner)
    (scratch / "data").mkdir()

    running_job.run(refinement)

    left = {path.name for path in scratch.iterdir()}
    assert left == {"data", *(f"relion-dispatch.{number:012x}" for number in (1, 2, 3, 4))}


def test_a_scratch_folder_that_cannot_be_made_is_told(
    refinement: Path, running_job: RunningJob, tmp_path: Path
) -> None:
    (tmp_path / "scratch").write_text("a file")

    assert running_job.run(refinement).returncode == 1

    assert exit_files(refinement) == {"FAILURE"}
    assert f"the scratch folder {tmp_path}/scratch" in last_line(refinement)
    assert not (tmp_path / "recorded").exists()
