"""The next run begins in the place of this one (in_place.sh)."""

from __future__ import annotations

import pytest

from .conftest import JOB_TEMPLATE, TOKEN, Shell

AFTER = "dispatch_goes_on_after=(gpu_memory)"
SOURCES = "".join(f". {path}\n" for path in sorted((JOB_TEMPLATE / "library").glob("*.sh")))
SCRIPT = f"""#!/bin/bash
{SOURCES}
dispatch_token={TOKEN} dispatch_job=Refine3D/job001 dispatch_lock='' {AFTER}
remember_script
may_begin_in_place || echo "it cannot"
echo "$$ $* $GIVEN $ADDED"
[ "$(wc -l <ran)" -lt 3 ] || exit 0
trap '' TERM USR1
export ADDED=more GIVEN=less
"""


def run(shell: Shell, text: str, how: str = "bash script one") -> list[str]:
    (shell.project / "script").write_text(text)
    (shell.project / "ran").touch()
    return shell.says(f"export GIVEN='two\nlines'; {how}").split("\n")


def test_the_next_run_is_the_same_process_with_the_environment_of_the_first(shell: Shell) -> None:
    ignored = "trap -p TERM USR1"  # who runs the tests may have others ignored
    text = SCRIPT.replace("trap ''", f"{ignored}\ntrap ''")
    lines = run(shell, f"{text}\necho >>ran; begin_next_run; echo failed\n")

    first, *others = lines[0::2]
    process = first.split()[0]
    assert first == f"{process} one two"
    next_run = f"{process} Refine3D/job001/run_submit.script.run {TOKEN} two"
    assert others == [next_run, next_run, next_run]
    assert lines[1::2] == ["lines "] * 4, "with the variables of the first"


@pytest.mark.parametrize("follows", ["", "17"])
def test_a_job_with_next_runs_in_the_queue_is_told_again_for_which_job_it_waited(
    follows: str, shell: Shell
) -> None:
    ahead = "dispatch_queued_ahead=2 dispatch_follows=${1:-}"
    text = f'{ahead}\n{SCRIPT}\necho "$#:$1"; echo >>ran; begin_next_run\n'
    lines = run(shell, text, f"bash script '{follows}'")
    assert [each for each in lines if ":" in each] == [f"1:{follows}"] * 3


def test_what_was_changed_in_the_file_meanwhile_does_not_run(shell: Shell) -> None:
    changed = "echo 'echo changed' >script; echo >>ran; begin_next_run"
    lines = run(shell, f"{SCRIPT}\n{{ {changed}; exit; }}\n")
    assert "changed" not in lines
    assert len(lines) == 8


@pytest.mark.parametrize("how", ["bash <script", "cat script | bash", "bash -c '. ./script'"])
def test_a_script_that_is_no_file_cannot_begin_in_place(how: str, shell: Shell) -> None:
    assert "it cannot" in run(shell, f"{SCRIPT}\nexit\n", how)


def test_a_script_of_another_job_is_not_started(shell: Shell) -> None:
    other = SCRIPT.replace(f"dispatch_token={TOKEN}", "dispatch_token=$(echo 5)")
    assert "it cannot" in run(shell, f"{other}\nexit\n")


def test_a_job_that_does_not_survive_a_full_memory_keeps_no_script(shell: Shell) -> None:
    text = SCRIPT.replace("gpu_memory", "time_limit")
    assert "it cannot" in run(shell, f"{text}\nexit\n")


def test_time_is_counted_from_the_beginning_of_the_process(shell: Shell) -> None:
    text = f"#!/bin/bash\nsleep 2.1\nSECONDS=0\n{SCRIPT}\necho $SECONDS\nexit\n"
    assert int(run(shell, text)[-1]) >= 2


def test_a_next_run_for_which_there_is_no_room_does_not_begin(shell: Shell) -> None:
    lines = run(
        shell, f"{SCRIPT}\nexport TMPDIR=/nowhere\nbegin_next_run 2>/dev/null; echo failed\n"
    )
    assert lines[-1] == "failed"


def test_behind_a_full_memory_the_scheduler_is_not_asked(shell: Shell) -> None:
    code = (
        "dispatch_cut=gpu_memory dispatch_status=1 dispatch_host=gpu1; "
        "start_next_run() { echo asked; }; begin_next_run() { echo begins; }; go_on"
    )
    done = shell(code, given=[AFTER])
    assert done.stdout == "begins\n"
    assert "because its next run could not be started on gpu1" in done.stderr
    assert (shell.job / "RELION_JOB_EXIT_FAILURE").exists()


def test_a_next_run_with_more_memory_waits_in_the_queue(shell: Shell) -> None:
    code = (
        "dispatch_cut=host_memory dispatch_raised_from=65536 dispatch_least_memory=131072; "
        "begin_next_run() { echo begins; }; "
    )
    asks = "start_next_run_with_memory() { echo asked for $1; }; "
    assert shell.says(f"{code}{asks}go_on", given=[AFTER]) == "asked for 131072"
    assert not (shell.job / "RELION_JOB_EXIT_FAILURE").exists()


def test_a_job_fails_whose_scheduler_has_no_more_memory(shell: Shell) -> None:
    code = (
        "dispatch_cut=host_memory dispatch_raised_from=65536 dispatch_least_memory=131072; "
        "dispatch_status=1; begin_next_run() { echo begins; }; go_on"
    )
    done = shell(code, given=[AFTER])
    assert done.stdout == ""
    assert "because its scheduler did not take the next run with 128 GiB of memory" in done.stderr
    assert "memory_mib 65536\n" in (shell.job / f"dispatch.run.{TOKEN}").read_text()
    assert (shell.job / "RELION_JOB_EXIT_FAILURE").exists()
