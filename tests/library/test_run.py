"""Running commands: one after the other, stopped by signals and aborts, guarded."""

from __future__ import annotations

import pytest

from .conftest import TOKEN, Shell

# The loader writes a line to the standard error of each program, and goes on.
NO_LIBRARY = "libdlfaker.so:libvglfaker.so"


@pytest.mark.parametrize("preload", ["", NO_LIBRARY])
def test_a_command_that_succeeds_lets_the_next_one_run(preload: str, shell: Shell) -> None:
    done = shell('run echo "a b"; run cat /dev/null; run echo c', LD_PRELOAD=preload)

    assert done.stdout.splitlines() == ["a b", "c"]
    assert ("libdlfaker.so" in done.stderr) == bool(preload)


@pytest.mark.parametrize(
    ("before", "command", "status"),
    [
        ("", "(exit 3)", 3),
        ("", "kill -USR1 $BASHPID", 138),
        ("", 'touch "$dispatch_job/RELION_JOB_EXIT_FAILURE"', 1),
        ("probe() { echo 'No space left on device'; return 1; }", "true", 1),
        ('rm -r "$dispatch_job"', "true", 1),
        ('touch "$dispatch_job/RELION_JOB_ABORT_NOW"', "echo runs", 1),
    ],
)
def test_a_command_that_fails_or_is_not_wanted_ends_the_job(
    before: str, command: str, status: int, shell: Shell
) -> None:
    done = shell(f"f() {{ {command}; }}; {before}\nrun f; echo goes on")

    assert done.returncode == status
    assert done.stdout == ""


def test_the_commands_run_under_a_guard(shell: Shell) -> None:
    said = shell.says(
        "begin_guard() { echo guarded; }; commands() { echo commands; }; run_commands"
    )

    assert said.splitlines() == ["guarded", "commands"]


@pytest.mark.parametrize(
    ("signal", "status", "fact"),
    [
        ("TERM", 143, "stopped by signal 15"),
        ("INT", 130, "stopped by signal 2"),
        ("HUP", 129, "stopped by signal 1"),
        ("USR1", 138, "stopped by signal 10"),
        ("USR2", 140, "stopped by signal 12"),
        ("RTMIN+1", 143, "stopped by signal 15"),
        ("RTMIN+2", 140, "stopped by signal 12"),
    ],
)
def test_a_signal_stops_the_job(signal: str, status: int, fact: str, shell: Shell) -> None:
    done = shell(f"""
        finish() {{ echo "$dispatch_facts$dispatch_ending <$dispatch_overdue>"; }}
        heed_signals
        kill -{signal} $$
    """)

    overdue = "120" if signal == "RTMIN+1" else ""
    assert done.stdout == f"{fact}\nFAILURE <{overdue}>\n"
    assert done.returncode == status


@pytest.mark.parametrize(
    ("announces", "end"), [("return 0", "stopped by signal 15\n\n143"), ("return 1", "goes on\n0")]
)
def test_a_warning_of_the_scheduler_stops_the_job_if_it_announces_an_end(
    announces: str, end: str, shell: Shell
) -> None:
    done = shell(f"""
        warning_signals() {{ echo USR1 USR2; }}
        announces_end() {{ [ "$1" = USR2 ] || return 7; {announces}; }}
        finish() {{ echo "$dispatch_facts"; }}
        heed_signals
        kill -USR1 $$; kill -USR2 $$; echo goes on; trap - EXIT
    """)

    assert f"{done.stdout}{done.returncode}" == end


def test_a_program_runs_on_after_a_warning_that_announces_no_end(shell: Shell) -> None:
    done = shell("""
        warning_signals() { echo USR1; }
        announces_end() { touch heeded; return 1; }
        finish() { echo "$dispatch_status"; }
        heed_signals
        f() { trap '' USR1; touch ready
              until [ -e heeded ]; do sleep 0.05; done; sleep 0.5; exit 3; }
        (until [ -e ready ]; do sleep 0.05; done; kill -USR1 $$) &
        run f
    """)

    assert done.stdout == "3\n"


def test_no_other_signal_disturbs_a_script_that_ends(shell: Shell) -> None:
    signals = "TERM INT HUP USR1 USR2 RTMIN+1 RTMIN+2"

    code = f"heed_signals; heed_no_signals; for each in {signals}; do kill -$each $$; done; echo on"
    assert shell.says(code) == "on"


def test_relion_is_told_before_the_command_is_ended(shell: Shell) -> None:
    done = shell("""
        finish() { echo "$dispatch_status"; }
        heed_signals
        f() { trap 'ls "$dispatch_job"; exit' TERM; touch ready; for ((;;)); do sleep 0.05; done; }
        (until [ -e ready ]; do sleep 0.05; done; kill -TERM $$) &
        run f
    """)

    assert done.stdout == "RELION_JOB_EXIT_FAILURE\n143\n"


def test_a_stop_at_the_time_limit_is_named(shell: Shell) -> None:
    said = shell.says("time_limit_reached() { :; }; trap 'echo \"$dispatch_facts\"' EXIT; stop 15")

    assert said.strip() == "stopped at the time limit"


GUARDED = """
finish() { :; }
dispatch_script_began=$(process_began $$)
mkdir "$dispatch_control"; open_control
trap 'echo overdue; exit 5' RTMIN+1
trap 'echo overtaken; exit 6' RTMIN+2
trap 'echo failed; exit 7' TERM
begin_guard
"""
WAITS = "for _ in {1..200}; do sleep 0.05; done; echo nothing came"


@pytest.mark.parametrize(
    ("code", "comes"),
    [
        ('touch "$dispatch_job/RELION_JOB_ABORT_NOW"', "overdue"),
        ('touch "$dispatch_job/RELION_JOB_EXIT_FAILURE"', "failed"),
        ('echo dispatch_token=ffffffffffff >"$dispatch_job/run_submit.script.run"', "overtaken"),
    ],
)
def test_the_guard_stops_a_job_that_is_over_for_relion(code: str, comes: str, shell: Shell) -> None:
    done = shell(f"{GUARDED}\n{code}\n{WAITS}", given=["dispatch_abort_grace=0"])

    assert done.stdout == f"{comes}\n"


def test_the_guard_passes_an_abort_on(shell: Shell) -> None:
    code = 'until [ -e "$dispatch_control/RELION_JOB_ABORT_NOW" ]; do sleep 0.05; done; end_guard'

    done = shell(f'{GUARDED}\ntouch "$dispatch_job/RELION_JOB_ABORT_NOW"\n{code}; echo passed on')

    assert done.stdout == "passed on\n"


def test_the_guard_ends_a_job_whose_script_was_killed(shell: Shell) -> None:
    done = shell(
        GUARDED.replace(":;", 'echo "$dispatch_status: $dispatch_facts";') + "kill -KILL $$"
    )

    assert done.returncode == -9
    assert done.stdout == "137: the job script was killed\n\n"


def test_a_guard_knows_its_script_by_the_time_of_its_start(shell: Shell) -> None:
    """The number of a script that is gone may be another process's."""
    said = shell.says("""
        finish() { echo "$dispatch_status"; exit; }
        dispatch_script_began=1
        guard
    """)

    assert said == "137"


def test_a_second_guard_takes_the_place_of_the_first(shell: Shell) -> None:
    code = f'{GUARDED} first=$dispatch_guard; begin_guard; sleep 0.1; kill -0 "$first"; echo $?'

    assert shell.says(f"{code}; end_guard") == "1"


def test_only_a_guard_of_this_script_is_ended(shell: Shell) -> None:
    """Its number may be another process's by now."""
    done = shell("sleep 77 & disown; dispatch_guard=1; end_guard; kill $! && echo untouched")

    assert done.stdout == "untouched\n"


def test_the_guard_looks_for_this_job_only(shell: Shell) -> None:
    (shell.job / f".dispatch_control.{TOKEN}").parent.joinpath("RELION_JOB_EXIT_SUCCESS").touch()

    assert shell.says(f"{GUARDED} sleep 0.3; end_guard; echo untouched") == "untouched"


@pytest.mark.parametrize(
    ("settings", "limit", "after"),
    [
        ("", ":", ""),  # the scheduler warns
        ("dispatch_own_warning=60 dispatch_time_limit=3600", ":", "3540"),
        ("dispatch_own_warning=60 dispatch_time_limit=3600", "echo 7200", "7140"),  # it knows best
        ("dispatch_own_warning=60 dispatch_time_limit=90", ":", "45"),
        ("dispatch_own_warning=60 dispatch_time_limit=", ":", ""),
    ],
)
def test_a_job_stops_itself_where_its_scheduler_does_not_warn(
    settings: str, limit: str, after: str, shell: Shell
) -> None:
    assert shell.says(f"{settings}; time_limit() {{ {limit}; }}; stops_after") == after


def test_the_guard_stops_a_job_before_a_limit_of_which_nobody_warns(shell: Shell) -> None:
    done = shell(f"dispatch_own_warning=60 dispatch_time_limit=2; {GUARDED}\n{WAITS}")

    assert done.stdout == "failed\n"  # the trap for TERM


def test_a_process_beside_the_script_is_ended_if_it_is_still_the_scripts(shell: Shell) -> None:
    code = "sleep 60 & end_child $!; wait $!; echo $?; end_child 1; end_child ''; echo lives"
    assert shell.says(code).split("\n") == ["137", "lives"]
