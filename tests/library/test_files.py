"""Files in folders that others can write: only what is a plain file is followed or waited for."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import TOKEN, Shell

CONTROL = f".dispatch_control.{TOKEN}"

# What others can put at a name. Each gets the path, and that of a file of the job's user.
PUT: dict[str, Callable[[Path, Path], object]] = {
    "link": lambda path, own: path.symlink_to(own),
    "link to nothing": lambda path, own: path.symlink_to(own.with_name("nothing")),
    "link to a device": lambda path, own: path.symlink_to("/dev/zero"),
    "other name": lambda path, own: os.link(own, path),
    "pipe": lambda path, own: os.mkfifo(path),
    "folder": lambda path, own: path.mkdir(),
}


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A file of the job's user, which must stay as it is."""
    path = tmp_path / "bashrc"
    path.write_text("mine\n")
    path.chmod(0o600)
    return path


def untouched(own: Path) -> bool:
    """Whether nothing has changed, or was made beside it."""
    return (
        own.read_text() == "mine\n"
        and stat.S_IMODE(own.stat().st_mode) == 0o600
        and not own.with_name("nothing").exists()
    )


@pytest.mark.parametrize("what", PUT)
def test_only_a_plain_file_of_one_name_is_opened(what: str, own: Path, shell: Shell) -> None:
    PUT[what](shell.job / "x", own)

    done = shell("open_file $dispatch_folder/x && echo opened")

    assert (done.stdout, done.stderr) == ("", "")
    assert untouched(own)


@pytest.mark.parametrize("what", PUT)
def test_a_file_that_is_new_is_made_where_there_is_nothing(
    what: str, own: Path, shell: Shell
) -> None:
    PUT[what](shell.job / "x", own)

    assert shell("echo new | new_file $dispatch_folder/x").returncode != 0
    assert shell("echo new | new_file $dispatch_folder/y").returncode == 0

    assert untouched(own)
    assert (shell.job / "y").read_text() == "new\n"


@pytest.mark.parametrize("what", sorted(set(PUT) - {"other name"}))
def test_only_a_plain_file_is_read(what: str, own: Path, shell: Shell) -> None:
    PUT[what](shell.job / "x", own)

    assert shell.says("read_file $dispatch_folder/x") == ""


def test_what_is_read_has_a_limit(shell: Shell) -> None:
    with (shell.job / "x").open("wb") as stream:
        stream.truncate(3 << 30)

    assert shell.says("read_file $dispatch_folder/x | wc -c").strip() == str(4 << 20)


@pytest.mark.parametrize("what", PUT)
def test_a_line_goes_into_a_new_file_if_there_is_none(what: str, own: Path, shell: Shell) -> None:
    file = shell.job / "run.err"
    PUT[what](file, own)
    (shell.job / "run.err.1").symlink_to("nowhere")
    put = file.lstat()

    shell("open_text $dispatch_folder/run.err && echo one >>$dispatch_opened")
    shell("open_text $dispatch_folder/run.err && echo two >>$dispatch_opened")

    assert file.read_text() == "one\ntwo\n"
    assert os.path.samestat((shell.job / "run.err.2").lstat(), put)
    assert (shell.job / "run.err.1").is_symlink()
    assert untouched(own)


def test_a_line_that_cannot_be_added_is_no_delay(shell: Shell) -> None:
    (shell.job / "run.err").mkdir()

    done = shell("mv() { return 1; }; open_text $dispatch_folder/run.err")

    assert done.returncode == 1
    assert (shell.job / "run.err").is_dir()


@pytest.mark.parametrize(
    "steps",
    [
        "make_exit_file FAILURE",
        "make_control; make_exit_file FAILURE; remove_control {control}",
        "write_run; remove_unfinished",
        "tell_relion; tell_relion",
        "echo >$dispatch_folder/run.out; remember_texts; since 0 $dispatch_errfile; explain",
        "mkdir log; keep_logs . mps_log",
    ],
)
def test_a_folder_whose_place_another_takes_is_still_the_jobs(
    steps: str, shell: Shell, tmp_path: Path
) -> None:
    """As when somebody moves the job's folder away, and puts a link in its place."""
    other = tmp_path / "other"
    other.mkdir()
    for name in ("ending", "RELION_JOB_EXIT_SUCCESS", f".dispatch.run.{TOKEN}.new"):
        (other / name).write_text("mine\n")
    (other / CONTROL).mkdir()
    before = sorted(other.rglob("*"))

    swap = f'mv "$dispatch_job" moved; ln -s "{other}" "$dispatch_job"\n'
    done = shell(swap + steps.format(control=CONTROL))

    assert "unexpected" not in done.stderr
    assert sorted(other.rglob("*")) == before
    assert all(path.read_text() == "mine\n" for path in before if path.is_file())


def test_the_folder_on_another_node_must_be_the_one_of_the_script(
    shell: Shell, tmp_path: Path
) -> None:
    there = "enter_job && echo entered $dispatch_folder"
    number = shell.job.stat().st_ino

    assert shell.says(there, given=[f"dispatch_folder_number={number}"]).startswith("entered /proc")
    assert shell.says(f"dispatch_folder_number=1; {there}") == ""
    assert shell.says(f"dispatch_job=gone; {there}") == ""


def test_a_folder_that_a_link_leads_to_is_not_opened(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (shell.job / "x").symlink_to(tmp_path / "elsewhere")
    (shell.job / "y").mkdir()

    assert shell("open_folder $dispatch_folder x").returncode == 1
    assert shell("open_folder $dispatch_folder y").returncode == 0


@pytest.mark.parametrize("what", PUT)
def test_only_a_control_folder_is_removed_and_with_only_its_files(
    what: str, own: Path, shell: Shell
) -> None:
    PUT[what](shell.job / CONTROL, own)
    kept = shell.job / ".dispatch_control.ffffffffffff"
    kept.mkdir()
    (kept / "particles.star").write_text("mine")
    (kept / "RELION_JOB_EXIT_SUCCESS").touch()

    shell(f"remove_control {CONTROL}; remove_control {kept.name}")

    assert [path.name for path in shell.job.iterdir()] == [kept.name]
    assert [path.name for path in kept.iterdir()] == ["particles.star"]
    assert untouched(own)


def test_the_control_folder_is_the_users_alone(shell: Shell) -> None:
    shell("umask 002; make_control; open_control")

    assert stat.S_IMODE((shell.job / CONTROL).stat().st_mode) == 0o700


def test_a_control_folder_that_is_somebody_elses_is_a_reason(shell: Shell) -> None:
    (shell.job / CONTROL).mkdir()
    (shell.job / CONTROL / "particles.star").touch()

    said = shell.says("trap 'echo \"$dispatch_reason\"' EXIT; make_control")

    assert f"because Refine3D/job001/{CONTROL} is there and is not this job's" in said


@pytest.mark.parametrize("what", sorted(set(PUT) - {"folder"}))
def test_logs_of_mps_are_written_through_nothing(what: str, own: Path, shell: Shell) -> None:
    (shell.job / "mps_log").mkdir()
    PUT[what](shell.job / "mps_log" / "control.log", own)
    (shell.project / "log").mkdir()
    (shell.project / "log" / "control.log").write_text("said\n")

    shell("keep_logs . mps_log")

    assert (shell.job / "mps_log" / "control.log").read_text() == "said\n"
    assert untouched(own)


@pytest.mark.parametrize("what", PUT)
def test_a_lock_in_a_project_is_a_plain_file(what: str, own: Path, shell: Shell) -> None:
    (shell.job / ".run_submit.script.run.0123456789abcdef.new").touch()
    PUT[what](shell.job / ".dispatch.json.lock", own)

    done = shell("remove_unfinished")

    assert done.stderr == ""
    assert (shell.job / ".run_submit.script.run.0123456789abcdef.new").exists()
    assert untouched(own)


@pytest.mark.parametrize("what", PUT)
def test_a_lock_of_local_jobs_is_a_plain_file(what: str, own: Path, shell: Shell) -> None:
    PUT[what](shell.project / "lock", own)

    said = shell.says(
        "trap 'echo \"$dispatch_reason\"' EXIT; wait_for_lock", given=["dispatch_lock=lock"]
    )

    assert "because the lock lock cannot be taken" in said
    assert untouched(own)


def test_a_text_of_a_colleague_that_cannot_be_opened_stays(shell: Shell) -> None:
    (shell.job / "run.err").write_text("theirs\n")

    done = shell("open_file() { return 1; }; open_text $dispatch_folder/run.err")

    assert done.returncode == 1
    assert (shell.job / "run.err").read_text() == "theirs\n"


def test_a_folder_with_files_is_never_removed(shell: Shell) -> None:
    """Others may rename a folder of the user's to what the script removes."""
    folder = shell.job / "RELION_JOB_EXIT_SUCCESS"
    folder.mkdir()
    (folder / "particles.star").touch()

    done = shell("remove_name $dispatch_folder/RELION_JOB_EXIT_SUCCESS")

    assert (done.returncode, done.stderr) == (1, "")
    assert (folder / "particles.star").exists()


@pytest.mark.parametrize(("end", "instead"), [("FAILURE", "ABORTED"), ("ABORTED", "FAILURE")])
def test_another_exit_file_is_made_if_the_name_is_anothers_link(
    end: str, instead: str, shell: Shell
) -> None:
    """In a sticky folder the link cannot be replaced, as tests/two_users shows with real users."""
    (shell.job / f"RELION_JOB_EXIT_{end}").symlink_to("nothing")

    done = shell(f"mv() {{ return 1; }}; make_exit_file {end}")

    assert done.returncode == 0
    assert (shell.job / f"RELION_JOB_EXIT_{instead}").exists()
