"""Projects on a file system without locks: jobs run, and the project has one version."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ...fixture_types import CorpusJob, WriteSite
from ...no_locks import without_locks
from ..hook_calls import call_hook
from ..stand_in_scheduler import StandIn, record_of

pytestmark = pytest.mark.usefixtures("images")


@pytest.mark.parametrize("error", ["ENOLCK", "ENOSYS"])
def test_first_jobs_at_once_run_the_same_version(
    error: str, corpus_job: CorpusJob, project: Path, images: Path, tmp_path: Path, site: WriteSite
) -> None:
    """Two sites' defaults, as one default changed between two first jobs that start together."""
    StandIn(tmp_path / "slurm", site)
    newer = images.parent.parent / "newer"
    shutil.copytree(images.parent, newer)
    catalogue = json.loads(images.read_text())
    catalogue["relion"]["default"] = "3.1.3"
    (newer / "images.json").write_text(json.dumps(catalogue))
    names = ["Refine3D_job011", "Class3D_job010", "PostProcess_job016", "CtfRefine_job020"]
    scripts = [corpus_job(f"relion-5.0.1/{name}") for name in names]
    variables = without_locks(tmp_path, error)

    def call(at: int) -> int:
        folder = str(newer if at % 2 else images.parent)
        return call_hook(scripts[at], project, RELION_DISPATCH_SITE=folder, **variables).returncode

    with ThreadPoolExecutor(len(scripts)) as pool:
        done = list(pool.map(call, range(len(scripts))))

    assert done == [0] * len(done)
    versions = {record_of(script.parent)["image"]["version"] for script in scripts}
    pins = json.loads((project / ".relion_dispatch.json").read_text())["images"]
    assert {pins["relion"]["version"]} == versions
    assert not [path for path in project.iterdir() if path.name.endswith(".new")]
