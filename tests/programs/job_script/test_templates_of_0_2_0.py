"""A site's own copies of templates of version 0.2.0 work with the library of today."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.dispatch.write_record import record_text
from dispatcher.jobs.watcher import watcher_script
from dispatcher.planning.make_plan import plan_script

from ...fixture_types import CorpusJob, WriteSite
from .run_files import TOKEN, last_line
from .running_job import RunningJob, exit_files

OWN = Path(__file__).parents[2] / "data" / "templates-0.2.0"

pytestmark = pytest.mark.usefixtures("images")


@pytest.mark.parametrize(("ends", "file"), [("exit 0", "SUCCESS"), ("exit 3", "FAILURE")])
def test_a_job_script_of_such_a_base_runs(
    ends: str,
    file: str,
    corpus_job: CorpusJob,
    running_job: RunningJob,
    site: WriteSite,
    tmp_path: Path,
) -> None:
    site("site.json", {"mps": False})
    site("job_template/base.sh.j2", (OWN / "base.sh.j2").read_text())
    job = corpus_job("relion-5.0.1/Refine3D_job011")

    running_job.run(job, TOKEN, ON_RUN=f'ls "$SCRATCH" >{tmp_path}/seen; {ends}')

    assert exit_files(job) == {file}
    assert (tmp_path / "seen").read_text() == "owner\n"
    assert list((tmp_path / "scratch").iterdir()) == []
    assert list(job.parent.glob(".dispatch_control.*")) == []
    assert (job.parent / f"dispatch.run.{TOKEN}").exists()
    if file == "FAILURE":
        assert "The job failed after 0:00:0" in last_line(job)


def test_such_a_watcher_tells_relion(corpus_job: CorpusJob, site: WriteSite) -> None:
    site("job_template/watcher.sh.j2", (OWN / "watcher.sh.j2").read_text())
    job = corpus_job("relion-5.0.1/PostProcess_job016")
    (job.parent / "dispatch.json").write_text(record_text({"token": TOKEN, "job_id": "17"}))
    configuration = load_configuration()
    plan = plan_script(job, configuration)._replace(directives="slurm")
    text = watcher_script(plan, configuration.site.schedulers["slurm"], TOKEN)

    subprocess.run(["bash", "-c", text, "watcher", "17"], timeout=60, check=False)

    assert exit_files(job) == {"FAILURE"}
    assert "The job ended before its script could report the end" in last_line(job)
