"""The library beside a job script: read once, compared, and told to RELION if it is not the one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dispatcher.refusal import IN_SIGHT

from ...digest import sha256
from ...fixture_types import CorpusJob, WriteSite
from ...waiting import wait_for
from ..hook_calls import call_hook
from ..stand_in_scheduler import StandIn
from .running_job import RunningJob, exit_files

pytestmark = pytest.mark.usefixtures("images")

TOKEN = "0123456789ab"


@pytest.fixture
def job(corpus_job: CorpusJob) -> Path:
    """A job of one command."""
    return corpus_job("relion-5.0.1/PostProcess_job016")


def library_of(script: Path) -> Path:
    return script.parent / "run_submit.script.lib"


def test_the_hook_writes_it_beside_the_script_that_holds_its_digest(
    job: Path, site: WriteSite, tmp_path: Path
) -> None:
    StandIn(tmp_path / "slurm", site)

    assert call_hook(job).returncode == 0

    digest = sha256(library_of(job))
    assert f'"{digest}  -"' in (job.parent / "run_submit.script.run").read_text()


def test_a_template_that_is_complete_by_itself_has_none(
    job: Path, site: WriteSite, tmp_path: Path
) -> None:
    """As the established FMI format's are."""
    text = "#!/bin/bash\n#SBATCH -n {{ job.nproc }}\n{{ job.command }} {{ job.arguments }}\n"
    site("job_template/postprocess.sh.j2", text)
    StandIn(tmp_path / "slurm", site)

    assert call_hook(job).returncode == 0

    script = (job.parent / "run_submit.script.run").read_text()
    assert script.startswith("#!/bin/bash\n#SBATCH -n 1\nrelion_postprocess --")
    assert not library_of(job).exists()


SPOILED: dict[str, Callable[[Path], object]] = {
    "missing": lambda library: library.unlink(),
    "short": lambda library: library.write_text(library.read_text()[:20000]),
    "changed": lambda library: library.write_text("touch canary\n" + library.read_text()),
    "empty": lambda library: library.write_text(""),
    "a folder": lambda library: (library.unlink(), library.mkdir()),
}


@pytest.mark.parametrize("how", SPOILED)
def test_relion_is_told_of_a_library_that_is_not_the_one(
    how: str, job: Path, running_job: RunningJob, project: Path, tmp_path: Path
) -> None:
    rendered = running_job.render(job)
    SPOILED[how](library_of(job))

    done = running_job.start(rendered)
    assert done.wait(20) == 1

    assert exit_files(job) == {"FAILURE"}
    told = (job.parent / "run.err").read_text()
    assert told == (
        f"{IN_SIGHT}relion-dispatch: The job could not begin, because PostProcess/job016/"
        "run_submit.script.lib is missing or was changed: submit the job again.\n"
    )
    assert not (tmp_path / "recorded").exists()
    assert not list(project.rglob("canary"))


def test_a_library_that_comes_late_is_looked_for_twice(job: Path, running_job: RunningJob) -> None:
    """As on a network file system."""
    rendered = running_job.render(job)
    late = library_of(job).rename(job.parent / "late")
    (running_job.programs / "sleep").write_text(f"#!/bin/sh\nmv '{late}' '{library_of(job)}'\n")
    (running_job.programs / "sleep").chmod(0o755)

    assert running_job.start(rendered).wait(20) == 0

    assert exit_files(job) == {"SUCCESS"}


def test_it_may_change_once_it_was_read(job: Path, running_job: RunningJob, project: Path) -> None:
    running = running_job.start(
        running_job.render(job), ON_RUN="touch running; until [ -e go ]; do sleep 0.05; done"
    )
    wait_for((project / "running").exists)

    library_of(job).write_text("touch canary\n")
    (project / "go").touch()

    assert running.wait(20) == 0
    assert exit_files(job) == {"SUCCESS"}
    assert not list(project.rglob("canary"))


def test_an_older_copy_neither_runs_nor_complains_if_the_job_was_submitted_anew(
    job: Path, running_job: RunningJob, site: WriteSite, tmp_path: Path
) -> None:
    """The newer submission has another library, as after an upgrade."""
    older = running_job.render(job)
    site("endings.json", {"new": {"pattern": "new", "cause": "new", "advice": "new"}})
    newer = running_job.render(job)

    assert running_job.start(older).wait(20) == 0

    assert exit_files(job) == set()
    assert (job.parent / "run.err").read_text() == ""
    assert not (tmp_path / "recorded").exists()
    assert running_job.start(newer).wait(20) == 0
    assert exit_files(job) == {"SUCCESS"}


def test_a_job_that_waits_during_an_upgrade_keeps_its_library(
    job: Path, running_job: RunningJob, site: WriteSite
) -> None:
    rendered = running_job.render(job)
    site("job_template/library/run.sh", "run_commands() { echo upgraded; }\n")

    assert running_job.start(rendered, ON_RUN="echo as planned").wait(20) == 0

    assert (job.parent / "run.out").read_text().endswith("as planned\n")


def test_a_library_that_cannot_be_written_keeps_the_job_from_being_submitted(
    job: Path, site: WriteSite, tmp_path: Path
) -> None:
    slurm = StandIn(tmp_path / "slurm", site)
    library_of(job).mkdir()

    assert call_hook(job).returncode != 0

    assert exit_files(job) == {"FAILURE"}
    assert "run_submit.script.lib cannot be written" in (job.parent / "run.err").read_text()
    assert slurm.calls("sbatch") == []


def test_a_second_copy_without_the_library_leaves_the_job_that_runs_alone(
    job: Path, running_job: RunningJob, project: Path
) -> None:
    rendered = running_job.render(job)
    first = running_job.start(
        rendered, ON_RUN="touch running; until [ -e go ]; do sleep 0.05; done"
    )
    wait_for((project / "running").exists)
    library_of(job).unlink()

    assert running_job.start(rendered).wait(20) == 0

    assert exit_files(job) == set()
    assert first.poll() is None
    (project / "go").touch()
    assert first.wait(20) == 0
    assert exit_files(job) == {"SUCCESS"}


@pytest.mark.parametrize("end", ["SUCCESS", "ABORTED"])
def test_there_is_one_exit_file_if_relion_was_told_before(
    end: str, job: Path, running_job: RunningJob
) -> None:
    rendered = running_job.render(job)
    library_of(job).unlink()
    (job.parent / f"RELION_JOB_EXIT_{end}").touch()

    assert running_job.start(rendered).wait(20) == 1

    assert exit_files(job) == {end}
    assert (job.parent / "run.err").read_text() == ""


def test_the_sites_own_file_wins_over_the_shipped_one(
    job: Path, running_job: RunningJob, site: WriteSite
) -> None:
    site(
        "job_template/library/environment.sh",
        "# shellcheck shell=bash\nclean_environment() { export APPTAINERENV_OWN=yes; }\n",
    )

    running_job.run(job, ON_RUN="echo own $APPTAINERENV_OWN")

    assert "own yes" in (job.parent / "run.out").read_text()


def test_a_sites_own_scheduler_of_version_0_1_0_keeps_its_templates(
    job: Path, running_job: RunningJob, site: WriteSite
) -> None:
    site("site.json", {"scheduler": "own", "schedulers": {"own": {"submit_command": ["own"]}}})
    site(
        "job_template/schedulers/own.sh.j2",
        "exec >>{{ job.outfile }} 2>>{{ job.errfile }}\ndispatch_scheduler_job=own-5\n",
    )
    site("job_template/schedulers/own_functions.sh.j2", "dismiss_watcher() { echo dismissed; }\n")

    running_job.run(job, TOKEN)

    assert (job.parent / "run.out").read_text().endswith("dismissed\n")
    assert "scheduler_job_id own-5" in (job.parent / f"dispatch.run.{TOKEN}").read_text()


def test_settings_do_not_come_from_the_users_environment(
    job: Path, running_job: RunningJob, tmp_path: Path
) -> None:
    names = [
        "lock",
        "scratch_for_all",
        "scratch",
        "command",
        "guard",
        "ending",
        "told",
        "gpu_usage",
    ]
    variables = {f"dispatch_{name}": str(tmp_path / "x") for name in names}

    done = running_job.run(job, TOKEN, **variables)

    assert done.returncode == 0
    assert exit_files(job) == {"SUCCESS"}
    assert not (tmp_path / "x").exists()
