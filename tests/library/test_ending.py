"""How a job ends: one exit file for RELION, and nothing of the job still runs."""

from __future__ import annotations

import pytest

from .conftest import TOKEN, Shell

CONTROL = f".dispatch_control.{TOKEN}"


def exit_files(shell: Shell) -> set[str]:
    return {path.name.rpartition("_")[2] for path in shell.job.glob("RELION_JOB_EXIT_*")}


@pytest.mark.parametrize(
    ("status", "files", "ending", "then"),
    [
        (0, [], "SUCCESS", 0),
        (3, [], "FAILURE", 3),
        (0, [f"{CONTROL}/RELION_JOB_EXIT_FAILURE"], "FAILURE", 1),
        (0, ["RELION_JOB_EXIT_FAILURE"], "FAILURE", 1),
        (0, [f"{CONTROL}/RELION_JOB_EXIT_SUCCESS"], "SUCCESS", 0),
        (3, [f"{CONTROL}/RELION_JOB_EXIT_ABORTED"], "ABORTED", 3),
        (0, [f"{CONTROL}/RELION_JOB_ABORTED"], "ABORTED", 0),
        (3, ["RELION_JOB_ABORT_NOW"], "ABORTED", 3),
        (0, ["RELION_JOB_ABORT_NOW"], "SUCCESS", 0),
    ],
)
def test_the_ending_is_decided_by_status_and_files(
    status: int, files: list[str], ending: str, then: int, shell: Shell
) -> None:
    (shell.job / CONTROL).mkdir()
    for name in files:
        (shell.job / name).touch()

    said = shell.says(
        f'dispatch_status={status}; decide_ending; echo "$dispatch_ending $dispatch_status"'
    )

    assert said == f"{ending} {then}"


@pytest.mark.parametrize("where", ["", f"{CONTROL}/"])
def test_a_program_has_said_what_lies_in_either_folder(where: str, shell: Shell) -> None:
    (shell.job / CONTROL).mkdir()
    (shell.job / f"{where}RELION_JOB_EXIT_FAILURE").touch()

    assert shell("program_said_end FAILURE").returncode == 0
    assert shell("program_said_end ABORTED").returncode == 1


def test_relion_is_told_once(shell: Shell) -> None:
    """Its user may continue the job while the rest of it is being ended."""
    (shell.job / "RELION_JOB_EXIT_SUCCESS").touch()

    shell("""
        dispatch_ending=FAILURE
        tell_relion
        ls "$dispatch_job"/RELION_JOB_EXIT_* >seen
        rm "$dispatch_job/RELION_JOB_EXIT_FAILURE"
        tell_relion
    """)

    seen = (shell.project / "seen").read_text()
    assert seen == "Refine3D/job001/RELION_JOB_EXIT_FAILURE\n"
    assert exit_files(shell) == set()


def test_an_overtaken_job_tells_relion_nothing(shell: Shell) -> None:
    (shell.job / "run_submit.script.run").write_text("dispatch_token=ffffffffffff\n")

    shell("dispatch_ending=FAILURE; tell_relion")

    assert exit_files(shell) == set()


def test_whether_relion_was_told(shell: Shell) -> None:
    assert shell("relion_was_told").returncode == 1
    (shell.job / "RELION_JOB_EXIT_ABORTED").touch()
    assert shell("relion_was_told").returncode == 0


def test_an_exit_file_is_what_was_kept_for_a_full_disk(shell: Shell) -> None:
    (shell.job / CONTROL).mkdir()
    kept = shell.job / CONTROL / "ending"
    kept.touch()
    inode = kept.stat().st_ino

    shell("make_exit_file SUCCESS")

    assert (shell.job / "RELION_JOB_EXIT_SUCCESS").stat().st_ino == inode


def test_an_exit_file_that_relions_user_removes_at_once_is_not_made_again(shell: Shell) -> None:
    (shell.job / CONTROL).mkdir()
    (shell.job / CONTROL / "ending").touch()

    told = shell.says(
        'mv() { command mv "$@" && rm "${@: -1}"; }; dispatch_ending=SUCCESS dispatch_told=""\n'
        'tell_relion; tell_relion; echo "$dispatch_told"'
    )

    assert (told.strip(), exit_files(shell)) == ("yes", set())


def test_an_exit_file_is_made_without_anything_kept(shell: Shell) -> None:
    shell("make_exit_file ABORTED; make_exit_file ABORTED")

    assert exit_files(shell) == {"ABORTED"}


def test_if_all_else_fails_the_job_script_becomes_the_exit_file(shell: Shell) -> None:
    (shell.job / "run_submit.script.run").write_text("x")

    shell("new_file() { return 1; }; make_exit_file FAILURE")

    assert (shell.job / "RELION_JOB_EXIT_FAILURE").read_text() == "x"


def test_a_session_that_the_script_leads_is_the_jobs(shell: Shell) -> None:
    said = shell.says('find_session; echo "$dispatch_session"; echo $$')

    assert len(set(said.splitlines())) == 1


@pytest.mark.parametrize("made", [True, False])
def test_another_session_is_the_jobs_if_the_scheduler_made_it(made: bool, shell: Shell) -> None:
    code = f"""
        ps() {{ echo 4711; }}
        scheduler_made_session() {{ return {0 if made else 1}; }}
        find_session; echo "<$dispatch_session>"
    """

    assert shell.says(code) == ("<4711>" if made else "<>")


def test_what_still_runs_of_the_job_is_ended(shell: Shell) -> None:
    done = shell("sleep 77 & dispatch_session=$$; end_processes; wait $!; echo $?")

    assert done.stdout == "137\n"


def test_without_a_session_of_its_own_a_job_ends_nothing(shell: Shell) -> None:
    assert shell.says("sleep 77 & dispatch_session=; end_processes; kill $!; wait $!; echo $?") == (
        "143"
    )


def test_a_job_ends_in_this_order(shell: Shell) -> None:
    steps = [
        "end_guard", "tell_relion", "end_processes", "tell_relion", "explain", "on_each_node",
        "leave_gpus", "dispatch_epilogue", "write_run", "dismiss_watcher",
    ]  # fmt: skip
    functions = "".join(f"{step}() {{ echo {step}; }}\n" for step in steps)

    done = shell(f"{functions}(exit 3); finish", given=["dispatch_uses_scratch=yes"])

    assert done.stdout.splitlines() == steps
    assert done.returncode == 3


def test_a_scheduler_gets_no_status_to_which_it_gives_a_meaning_of_its_own(shell: Shell) -> None:
    code = "status_for_scheduler() { echo 1; }; (exit 99); finish"

    done = shell(code)

    assert done.returncode == 1
    assert "exit_status 99" in (shell.job / f"dispatch.run.{TOKEN}").read_text()
