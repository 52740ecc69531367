"""docs/first-day.md on real schedulers: from nothing to a map, by the page's own commands.

With UPDATE_FIRST_DAY, a copy of the page, the copy gets what the commands print.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .installation.conftest import environment
from .jobs import REFINE
from .project import ROOT
from .transcript import commands, run_in_one_shell, with_output

PAGE = ROOT / "docs" / "first-day.md"
QUARTER_OF_AN_HOUR = 900  # seconds: what the page promises
PIPELINE = "\n# version 30001\n\ndata_pipeline_general\n\n_rlnPipeLineJobCounter 1\n\n"
# Coarse steps, so that a refinement of a few particles needs half a minute.
JOB = {
    **REFINE,
    "ref_correct_greyscale": "No",
    "auto_local_sampling": '"7.5 degrees"',
    "offset_range": 3,
    "offset_step": 1,
    "do_queue": "Yes",
    "min_dedicated": 1,
    "other_args": '""',
}
STAR = (
    "\ndata_job\n\n_rlnJobTypeLabel relion.refine3d\n_rlnJobIsTomo 0\n_rlnJobIsContinue 0\n\n"
    "data_joboptions_values\n\nloop_\n_rlnJobOptionVariable #1\n_rlnJobOptionValue #2\n"
    + "".join(f"{name} {value}\n" for name, value in JOB.items())
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that others may enter, as that of an installation, and that all nodes see."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as made:
        Path(made).chmod(0o755)
        yield Path(made)


def cluster(scheduler: str) -> dict[str, str]:
    """The variables by which the scheduler's commands find its cluster, without GPUs."""
    plain = Path(os.environ["RELION_TEST_PLAIN_CLUSTERS"])
    if scheduler == "Slurm":
        return {"SLURM_CONF": str(plain / "slurm" / "slurm.conf")}
    words = (plain / "gridengine" / "variables").read_text().removeprefix("export ").split()
    return dict(word.split("=", 1) for word in words)


@pytest.mark.parametrize(
    "scheduler", ["Slurm", pytest.param("Grid Engine", marks=pytest.mark.long)]
)
def test_from_nothing_to_a_map(scheduler: str, particles: Path, folder: Path) -> None:
    page = PAGE.read_text()
    places = {
        "/software/relion-dispatch": folder / "prefix",
        "/software/images": folder / "images",
        "/data/project": folder / "project",
    }
    project, images = places["/data/project"], places["/software/images"]
    images.mkdir()
    shutil.copyfile(os.environ["RELION_TEST_IMAGE_5"], images / "relion-5.1.0-cpu.sif")
    shutil.copytree(particles, project)
    (project / "refine3d_job.star").write_text(STAR)
    (project / "default_pipeline.star").write_text(PIPELINE)
    others = ("SGE_", "SLURM_")
    heard_of = {key: value for key, value in environment().items() if not key.startswith(others)}
    wanted = commands(page, scheduler)

    ran = list(
        run_in_one_shell(wanted, ROOT, heard_of | cluster(scheduler), places, QUARTER_OF_AN_HOUR)
    )

    shown = "\n".join(f"$ {each.command}\n{each.printed}[{each.status}]" for each in ran)
    assert [each.command for each in ran] == wanted, shown
    assert not any(each.status for each in ran), shown
    assert re.search(r"^Refine3D/job001/ .* Succeeded\s*$", shown, re.MULTILINE), shown
    assert (project / "Refine3D/job001/run_class001.mrc").stat().st_size > 0
    if copy := os.environ.get("UPDATE_FIRST_DAY"):
        path = Path(copy)
        path.write_text(with_output(path.read_text() if path.exists() else page, scheduler, ran))
