"""The end of a job whose script, of the site's own template, tells RELION nothing.

As FMI's own templates do. Slurm's commands are stand-ins; its answer is as a real one gave it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ...fixture_types import CorpusJob, WriteSite
from ..hook_calls import call_hook
from ..stand_in_scheduler import StandIn, record_of

CLASSIC = Path(__file__).parents[2] / "data/classic-site/job_template"
ENDED = "echo 'JobId=17 JobState=COMPLETED Reason=None ExitCode=0:0 RunTime=00:00:07'"

pytestmark = pytest.mark.usefixtures("images")


@pytest.fixture
def slurm(tmp_path: Path, site: WriteSite) -> StandIn:
    """A scheduler that takes a job, and then its watcher."""
    watcher = {"submit_command": [str(tmp_path / "slurm/sbatch")]}
    return StandIn(tmp_path / "slurm", site, watcher=watcher)


def told_at_the_end(script: Path, slurm: StandIn) -> str:
    """What the watcher says in run.err after the job's script has ended in peace."""
    assert call_hook(script).returncode == 0
    slurm.says_of_ends(ENDED)
    (watcher,) = script.parent.glob("run_submit.script.watch")
    subprocess.run(["bash", watcher, "17"], cwd=script.parents[2], check=False, timeout=60)
    assert (script.parent / "RELION_JOB_EXIT_FAILURE").exists()
    return (script.parent / "run.err").read_text()


def test_its_template_is_named_and_no_full_disk(
    slurm: StandIn, site: WriteSite, corpus_job: CorpusJob
) -> None:
    templates = Path(os.environ["RELION_DISPATCH_SITE"]) / "job_template"
    shutil.copytree(CLASSIC, templates)
    script = corpus_job("relion-5.0.1/PostProcess_job016")

    says = told_at_the_end(script, slurm)

    assert "its script, of the site's own template, ended without telling RELION how" in says
    assert 'let the template extend "base.sh.j2"' in says
    assert "free space" not in says
    assert record_of(script.parent)["own_template"] is True


def test_a_script_with_the_library_could_not_write(slurm: StandIn, corpus_job: CorpusJob) -> None:
    script = corpus_job("relion-5.0.1/PostProcess_job016")

    says = told_at_the_end(script, slurm)

    assert "its script could not write to the job's folder: free space" in says
    assert "own_template" not in record_of(script.parent)
