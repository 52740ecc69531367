"""All that refuses a job tells RELION, whatever stands in the job's folder, and harms nobody there.

Each program runs with every attack of a colleague who may write in the folder.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dispatcher.refusal import IN_SIGHT, refuse

from ..appliance_form import DEPLOY
from .refusing_programs import REFUSING

JOB = "Refine3D/job011"
SCRIPT = f"{JOB}/run_submit.script"
VICTIM = "a colleague's own words\n"
Program = Callable[[Path, str], None]

every_program = pytest.mark.parametrize("program", REFUSING, ids=lambda each: each.__name__)


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A job's folder, with the project as the working folder, and a folder for the program."""
    folder = tmp_path / "project" / JOB
    folder.mkdir(parents=True)
    (folder / "run_submit.script").write_text("# RELION's\n")
    (tmp_path / "programs").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    return folder


def is_told(job: Path) -> bool:
    """Whether RELION finds the exit file: it asks stat(2)."""
    return (job / "RELION_JOB_EXIT_FAILURE").exists()


def link(run_err: Path, victim: Path) -> None:
    run_err.symlink_to(victim)


def link_that_leads_nowhere(run_err: Path, victim: Path) -> None:
    run_err.symlink_to(victim.with_name("not there"))


def hard_link(run_err: Path, victim: Path) -> None:
    run_err.hardlink_to(victim)


def pipe(run_err: Path, victim: Path) -> None:
    os.mkfifo(run_err)


def pipe_with_a_reader(run_err: Path, victim: Path) -> None:
    os.mkfifo(run_err)
    os.open(run_err, os.O_RDONLY | os.O_NONBLOCK)


def folder(run_err: Path, victim: Path) -> None:
    run_err.mkdir()


def device(run_err: Path, victim: Path) -> None:
    run_err.symlink_to("/dev/full")


ATTACKS = [
    link, link_that_leads_nowhere, hard_link, pipe, pipe_with_a_reader, folder, device,
]  # fmt: skip


@every_program
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda each: each.__name__)
def test_what_is_no_file_of_its_own_is_not_written(
    program: Program, attack: Callable[[Path, Path], None], job: Path, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text(VICTIM)
    attack(job / "run.err", victim)

    program(tmp_path / "programs", SCRIPT)

    assert is_told(job)
    assert victim.read_text() == VICTIM
    assert not victim.with_name("not there").exists()
    assert (job / "run.err").read_text().startswith(f"{IN_SIGHT}relion-dispatch: ")
    assert os.path.lexists(job / "run.err.1"), "what was there has another name"


@every_program
def test_an_exit_file_that_leads_nowhere_is_replaced(
    program: Program, job: Path, tmp_path: Path
) -> None:
    target = tmp_path / "not there"
    (job / "RELION_JOB_EXIT_FAILURE").symlink_to(target)

    program(tmp_path / "programs", SCRIPT)

    assert is_told(job)
    assert not target.exists()
    assert (job / "run.err").read_text().startswith(f"{IN_SIGHT}relion-dispatch: ")


@every_program
@pytest.mark.parametrize("before", ["", "before\n"])
def test_what_stands_in_run_err_stays_and_relions_window_shows_the_sentence(
    program: Program, before: str, job: Path, tmp_path: Path
) -> None:
    (job / "run.err").write_text(before)

    program(tmp_path / "programs", SCRIPT)

    text = (job / "run.err").read_text()
    assert text.startswith(f"{before}{IN_SIGHT}relion-dispatch: ")
    assert text.count("\n") == before.count("\n") + len(IN_SIGHT) + 1


@pytest.mark.parametrize("attack", [None, *ATTACKS], ids=lambda each: getattr(each, "__name__", ""))
def test_relions_window_shows_a_long_sentence_whole_as_the_end_of_run_out(
    attack: Callable[[Path, Path], None] | None, job: Path, tmp_path: Path
) -> None:
    (tmp_path / "victim").write_text(VICTIM)
    if attack:
        attack(job / "run.out", tmp_path / "victim")

    assert refuse(SCRIPT, "x" * 300) == 1

    said = f"relion-dispatch: {'x' * 300}\n"
    assert (job / "run.err").read_text() == f"{IN_SIGHT}{said}"
    assert (job / "run.out").read_text() == said
    assert (tmp_path / "victim").read_text() == VICTIM


@every_program
def test_a_search_path_for_folders_leads_to_no_other_project(
    program: Program, job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other" / JOB
    other.mkdir(parents=True)
    monkeypatch.setenv("CDPATH", str(tmp_path / "other"))

    program(tmp_path / "programs", SCRIPT)

    assert is_told(job)
    assert not list(other.iterdir())


@every_program
def test_a_script_that_is_a_pipe_is_not_waited_for(
    program: Program, job: Path, tmp_path: Path
) -> None:
    (job / "run_submit.script").unlink()
    os.mkfifo(job / "run_submit.script")
    os.mkfifo(job.parents[1] / "pipe")

    program(tmp_path / "programs", SCRIPT)

    assert is_told(job)
    REFUSING[0](tmp_path / "programs", "pipe")  # the hook itself looks into it for a job's name


def in_namespace(tmp_path: Path, program: Program, mount: str) -> None:
    """Refuse the job in a process of its own that has the job's folder on another disk."""
    text = (
        "import sys; from pathlib import Path; from tests.programs.dispatch import "
        "refusing_programs as r; "
        f"r.{program.__name__}(Path({str(tmp_path / 'programs')!r}), {SCRIPT!r})"
    )
    after = tmp_path / "after"
    shell = (
        f'cp -a {JOB} {tmp_path}/before; {mount}; {sys.executable} -c "$0" && cp -a {JOB} {after}'
    )
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-ec", shell, text],
        env={**os.environ, "PYTHONPATH": str(DEPLOY.parent)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@every_program
@pytest.mark.parametrize("has_job_script", [True, False])
def test_a_disk_without_room_for_one_more_file(
    program: Program, has_job_script: bool, job: Path, tmp_path: Path
) -> None:
    """A tmpfs counts names as files: a hard link has no room either."""
    if has_job_script:
        (job / "run_submit.script.run").write_text("ours\n")
    count = 4 if has_job_script else 3  # the folder, a filler, and these

    in_namespace(
        tmp_path,
        program,
        f"mount -t tmpfs -o nr_inodes={count} none {JOB}; cp -a {tmp_path}/before/. {JOB}; "
        f"touch {JOB}/filler; ! touch {JOB}/more 2> {tmp_path}/full",
    )

    after = tmp_path / "after"
    assert is_told(after)
    assert (after / "run_submit.script").exists() == has_job_script, "RELION's own goes last"


@every_program
def test_a_folder_that_cannot_be_written_stops_no_program(
    program: Program, job: Path, tmp_path: Path
) -> None:
    (job / "run.err").touch()

    in_namespace(tmp_path, program, f"mount -t tmpfs -o ro none {JOB}")

    assert not list((tmp_path / "after").iterdir())


def test_programs_without_python_refuse_by_the_same_text() -> None:
    files = ["appliance.sh", "relion_client.sh", "relion_dispatch.py", "environment/command.sh"]
    texts = {
        re.search(r"^tell_relion\(\).*?^\)\n", (DEPLOY / name).read_text(), re.M | re.S)
        for name in files
    }
    assert None not in texts
    assert len({found[0] for found in texts if found}) == 1
