"""The appliance's shell when things go wrong: RELION hears of it, and nothing is left behind.

With a stand-in for Apptainer; test_hook.py runs all that goes right in this form as well.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dispatcher.host import programs as host

from ...fixture_types import CorpusJob, LoginNode, WriteSite
from ...waiting import wait_for
from ..appliance_form import install_appliance_form

SCRIPT = "Refine3D/job011/run_submit.script"

pytestmark = pytest.mark.usefixtures("images", "site")


class Appliance:
    """The installed command, a job to call it with, and a folder for its temporary files."""

    def __init__(self, command: Path, project: Path, temporary: Path) -> None:
        self.command, self.project, self.temporary = command, project, temporary
        self.job = project / "Refine3D/job011"

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.command, *(arguments or [SCRIPT])],
            cwd=self.project,
            env={
                **os.environ,
                "RELION_DISPATCH_PYTHON": sys.executable,
                "TMPDIR": str(self.temporary),
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def call(self, **environment: str) -> str:
        """Call it, and have it fail; what it said in run.err."""
        process = self.start(**environment)
        process.communicate(timeout=30)
        assert process.returncode != 0
        return self.told()

    def told(self) -> str:
        assert (self.job / "RELION_JOB_EXIT_FAILURE").exists()
        assert list(self.temporary.iterdir()) == []
        text = (self.job / "run.err").read_text().lstrip("\n")
        assert text.startswith("relion-dispatch: ")
        return text


@pytest.fixture
def appliance(
    tmp_path: Path,
    project: Path,
    corpus_job: CorpusJob,
    monkeypatch: pytest.MonkeyPatch,
) -> Appliance:
    corpus_job("relion-5.0.1/Refine3D_job011")
    (tmp_path / "tmp").mkdir()
    command = install_appliance_form(tmp_path / "prefix", monkeypatch)
    return Appliance(command, project, tmp_path / "tmp")


@pytest.fixture
def submitting(site: WriteSite, tmp_path: Path) -> Callable[[str], None]:
    """Make a shell script the submit command."""

    def write(body: str) -> None:
        (tmp_path / "submit").write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / "submit").chmod(0o755)
        scheduler = {"submit_command": [str(tmp_path / "submit")], "directives": "slurm"}
        site("site.json", {"scheduler": "test", "schedulers": {"test": scheduler}})

    return write


def test_a_missing_image_is_told(appliance: Appliance) -> None:
    assert "/gone.sif does not exist" in appliance.call(RELION_DISPATCH_APPLIANCE="/gone.sif")


def test_a_missing_apptainer_is_told(appliance: Appliance) -> None:
    told = appliance.call(RELION_DISPATCH_APPTAINER="/gone/apptainer")

    assert "ended with status 12" in told
    assert "/gone/apptainer" in told


def test_a_container_that_does_not_start_is_told_with_what_apptainer_said(
    appliance: Appliance, tmp_path: Path
) -> None:
    program = tmp_path / "apptainer"
    program.write_text("#!/bin/sh\necho 'FATAL: no user namespaces' >&2; exit 255\n")
    program.chmod(0o755)

    told = appliance.call(RELION_DISPATCH_APPTAINER=str(program))

    assert "ended with status 255 (FATAL: no user namespaces)" in told


def test_what_the_users_environment_would_add_to_the_container_does_not_reach_apptainer(
    appliance: Appliance, tmp_path: Path
) -> None:
    program = tmp_path / "apptainer"
    program.write_text(f"#!/bin/sh\nenv > {tmp_path}/seen; exit 255\n")
    program.chmod(0o755)

    appliance.call(
        RELION_DISPATCH_APPTAINER=str(program),
        APPTAINER_BINDPATH="/apps/other",
        SINGULARITY_CONTAIN="1",
        APPTAINERENV_PYTHONPATH="/x",
        LD_PRELOAD="libdlfaker.so",
        APPTAINER_TMPDIR="/large",
        APPTAINER_NO_PRIVS="1",
    )

    lines = (tmp_path / "seen").read_text().splitlines()
    seen = {line for line in lines if line.startswith(("APPTAINER", "SINGULARITY", "LD_"))}
    host = next(line for line in seen if line.startswith("APPTAINERENV_RELION_DISPATCH_HOST="))
    assert seen == {host, "APPTAINER_TMPDIR=/large", "APPTAINER_NO_PRIVS=1"}


@pytest.mark.parametrize("bound", [True, False])
def test_a_variable_of_apptainers_that_only_the_shell_outside_sees_counts(
    bound: bool, appliance: Appliance, site: WriteSite, tmp_path: Path
) -> None:
    """The plan warns of what the job's container does not see."""
    settings = {"environment": ["APPTAINER_BINDPATH"], "options": ["--contain"]}
    site("site.json", {"apptainer": settings})
    appliance.job.rename(tmp_path / "job011")
    appliance.job.symlink_to(tmp_path / "job011")
    appliance.command = appliance.command.with_name("relion-dispatch")
    folder = str(tmp_path) if bound else "/elsewhere"

    process = appliance.start("plan", str(appliance.project / SCRIPT), APPTAINER_BINDPATH=folder)
    out, err = process.communicate(timeout=30)

    assert process.returncode == 0, err
    assert ("The container will not see Refine3D/job011" in " ".join(out.split())) != bound


def test_a_container_killed_while_it_submits_is_told(
    appliance: Appliance, submitting: Callable[[str], None]
) -> None:
    submitting("touch asked; exec sleep 6")
    process = appliance.start()
    wait_for((appliance.project / "asked").exists)

    (inside,) = children(process.pid, "dispatcher.hook")
    os.kill(inside, signal.SIGKILL)
    process.communicate(timeout=30)

    assert "check whether the queue has the job" in appliance.told()


def test_a_shell_that_is_stopped_refuses_the_job(
    appliance: Appliance, submitting: Callable[[str], None]
) -> None:
    submitting("touch asked; exec sleep 6")
    process = appliance.start()
    wait_for((appliance.project / "asked").exists)

    process.terminate()
    process.communicate(timeout=30)

    assert "was interrupted" in appliance.told()


def test_a_submission_under_way_is_finished_without_the_shell(
    appliance: Appliance, submitting: Callable[[str], None]
) -> None:
    submitting("touch asked; sleep 0.5; echo 4711")
    process = appliance.start()
    wait_for((appliance.project / "asked").exists)

    process.kill()
    process.communicate(timeout=30)

    record = json.loads((appliance.job / "dispatch.json").read_text())
    assert record["job_id"] == "4711"
    assert not (appliance.job / "RELION_JOB_EXIT_FAILURE").exists()


def test_a_shell_that_has_gone_is_noticed_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    (tmp_path / "shell").write_text(f"{ended.pid}\n")
    os.mkfifo(tmp_path / "bell")
    monkeypatch.setenv("RELION_DISPATCH_HOST", str(tmp_path))

    with pytest.raises(OSError, match="the shell outside the appliance has gone"):
        host.run(["true"])
    reader = os.open(tmp_path / "bell", os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(OSError, match="the shell outside the appliance has gone"):
        host.run(["true"])
    os.close(reader)


def test_the_submit_command_runs_outside_with_its_environment_and_folder(
    appliance: Appliance, submitting: Callable[[str], None]
) -> None:
    submitting(
        'echo "$PWD|$SECRET|${SBATCH_PARTITION-unset}|${RELION_DISPATCH_HOST-unset}" > seen\n'
        "ls -l /proc/$$/fd | grep -c relion-dispatch-host >> seen; echo 4711"
    )

    process = appliance.start(SECRET="it's \n here", SBATCH_PARTITION="x")
    _, said = process.communicate(timeout=30)

    assert process.returncode == 0, said
    assert json.loads((appliance.job / "dispatch.json").read_text())["job_id"] == "4711"
    seen = (appliance.project / "seen").read_text()
    # Its output goes to files of the shell's; it holds nothing else of it.
    assert seen == f"{appliance.project}|it's \n here|unset|unset\n2\n"
    assert list(appliance.temporary.iterdir()) == []


def test_the_submit_command_runs_on_another_machine(
    appliance: Appliance, login_node: LoginNode, site: WriteSite, tmp_path: Path
) -> None:
    submit = tmp_path / "submit"
    submit.write_text(f'#!/bin/sh\necho "$MACHINE $*" >> {tmp_path}/seen; echo 4711\n')
    submit.chmod(0o755)
    scheduler = {
        "submit_command": [str(submit)],
        "directives": "slurm",
        "through": login_node(MACHINE="there").through,
    }
    site("site.json", {"scheduler": "test", "schedulers": {"test": scheduler}})

    process = appliance.start()

    said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert (tmp_path / "seen").read_text() == f"there {SCRIPT}.run\n"
    assert list(appliance.temporary.iterdir()) == []


def test_a_refusal_by_an_image_that_sees_no_job_folder_reaches_relion(
    appliance: Appliance, tmp_path: Path
) -> None:
    program = tmp_path / "apptainer"
    program.write_text("#!/bin/sh\necho 'relion-dispatch: it cannot be read' >&2; exit 1\n")
    program.chmod(0o755)

    told = appliance.call(RELION_DISPATCH_APPTAINER=str(program))

    assert told == "relion-dispatch: it cannot be read\n"


def test_a_submit_command_that_heeds_no_signal_is_a_timeout(
    appliance: Appliance, site: WriteSite, tmp_path: Path
) -> None:
    (tmp_path / "submit").write_text("#!/bin/sh\ntrap '' TERM\nsleep 1; sleep 1; exec sleep 10\n")
    (tmp_path / "submit").chmod(0o755)
    command = {"submit_command": [str(tmp_path / "submit")], "directives": "slurm", "timeout": 0.3}
    site("site.json", {"scheduler": "test", "schedulers": {"test": command}})

    assert "did not answer within 0.3 s" in appliance.call()


def test_a_closed_standard_input_is_no_matter(
    appliance: Appliance, submitting: Callable[[str], None]
) -> None:
    submitting("echo 4711")
    environment = {**os.environ, "RELION_DISPATCH_PYTHON": sys.executable}

    done = subprocess.run(
        ["sh", "-c", 'exec "$0" "$1" <&-', appliance.command, SCRIPT],
        cwd=appliance.project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert done.returncode == 0, done.stderr
    assert json.loads((appliance.job / "dispatch.json").read_text())["job_id"] == "4711"


def test_other_commands_print_and_end_as_they_do_without(appliance: Appliance) -> None:
    appliance.command = appliance.command.with_name("relion-dispatch")

    process = appliance.start("plan", "Refine3D/nowhere/run_submit.script")
    out, err = process.communicate(timeout=30)

    assert process.returncode == 1
    assert "nowhere/run_submit.script" in err
    assert out == ""


def children(pid: int, words: str) -> list[int]:
    """The processes below `pid` whose command line holds `words`."""
    listed = subprocess.run(["ps", "-eww", "-o", "pid,ppid,args"], capture_output=True, text=True)
    rows = [line.split(None, 2) for line in listed.stdout.splitlines()[1:]]
    return [int(own) for own, parent, args in rows if int(parent) == pid and words in args]
