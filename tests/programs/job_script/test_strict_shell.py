"""A site's own template may set options that end a script at once: what is ours goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from ...fixture_types import CorpusJob, WriteSite
from ...waiting import wait_for
from .run_files import TOKEN, last_line
from .running_job import RunningJob, exit_files
from .test_templates_of_0_2_0 import OWN

pytestmark = pytest.mark.usefixtures("images")

STRICT = "set -euo pipefail\n"


@pytest.fixture(params=["of today", "of 0.2.0"])
def strict(request: pytest.FixtureRequest, corpus_job: CorpusJob, site: WriteSite) -> Path:
    """A job on GPUs, and on scratch space, of a template that is strict before what is ours."""
    site("site.json", {"mps": False})
    if request.param == "of 0.2.0":
        site("job_template/base.sh.j2", (OWN / "base.sh.j2").read_text())
    site(
        "job_template/refine.sh.j2",
        '{% extends "gpu.sh.j2" %}\n'
        f"{{% block environment %}}\n{STRICT}{{{{ super() }}}}\n{{% endblock %}}\n"
        f"{{% block prologue %}}\n{STRICT}{{{{ super() }}}}\n{{% endblock %}}\n"
        "{% block epilogue %}\n    touch epilogue\n{% endblock %}\n",
    )
    return corpus_job("relion-5.0.1/Refine3D_job011")


@pytest.mark.parametrize(
    ("ends", "file", "status"), [("exit 0", "SUCCESS", 0), ("exit 3", "FAILURE", 3)]
)
def test_such_a_job_ends_as_any_other(
    ends: str, file: str, status: int, strict: Path, running_job: RunningJob, tmp_path: Path
) -> None:
    done = running_job.run(strict, TOKEN, ON_RUN=f'ls "$SCRATCH" >{tmp_path}/seen; {ends}')

    assert done.returncode == status
    assert exit_files(strict) == {file}
    assert (tmp_path / "seen").read_text() == "owner\n"
    assert list((tmp_path / "scratch").iterdir()) == []
    assert list(strict.parent.glob(".dispatch_control.*")) == []
    assert (strict.parent / f"dispatch.run.{TOKEN}").exists()
    assert (running_job.project / "epilogue").exists()
    if file == "FAILURE":
        assert "The job failed after 0:00:0" in last_line(strict)


def test_such_a_job_heeds_an_abort(strict: Path, running_job: RunningJob, project: Path) -> None:
    waits = (
        'touch running; until [ -e "${CONTROL}RELION_JOB_ABORT_NOW" ]; do sleep 0.05; done; exit 1'
    )
    running = running_job.start(running_job.render(strict), ON_RUN=waits)
    wait_for((project / "running").exists)

    (strict.parent / "RELION_JOB_ABORT_NOW").touch()

    running.communicate(timeout=60)
    assert exit_files(strict) == {"ABORTED"}
    assert "The job was aborted in RELION after 0:0" in last_line(strict)


def test_such_a_job_heeds_a_signal(strict: Path, running_job: RunningJob, project: Path) -> None:
    running = running_job.start(running_job.render(strict, TOKEN), ON_RUN="touch running; sleep 60")
    wait_for((project / "running").exists)

    running.terminate()

    running.communicate(timeout=60)
    assert running.returncode == 143
    assert exit_files(strict) == {"FAILURE"}
    assert "because it was cancelled in the scheduler or stopped from outside" in last_line(strict)
    assert (strict.parent / f"dispatch.run.{TOKEN}").exists()


def test_a_step_of_the_sites_own_still_ends_the_job(
    strict: Path, running_job: RunningJob, site: WriteSite, tmp_path: Path
) -> None:
    site(
        "job_template/refine.sh.j2",
        '{% extends "gpu.sh.j2" %}\n'
        f"{{% block prologue %}}\n{STRICT}{{{{ super() }}}}\nfalse\n{{% endblock %}}\n",
    )

    assert running_job.run(strict).returncode == 1

    assert exit_files(strict) == {"FAILURE"}
    assert "The job failed after 0:00:0" in last_line(strict)
    assert not (tmp_path / "recorded").exists()
