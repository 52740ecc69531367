"""What a job script asks while all programs of the job are told to end."""

from __future__ import annotations

import pytest

from .conftest import Shell

ENDED = """#!/bin/bash
[ -e asked ] || {{ touch asked; kill -{signal} $PPID; kill -{signal} $$; exec sleep 20; }}
{answer}
"""


def put(shell: Shell, name: str, answer: str, signal: str = "TERM") -> None:
    """A command that ends, with the `timeout` before it, when it is asked for the first time."""
    program = shell.programs / name
    program.write_text(ENDED.format(signal=signal, answer=answer))
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("scheduler", "command", "answer", "code", "says"),
    [
        ("local", "systemctl", "echo stopping", "why_it_ends 15", "lost_node"),
        (
            "slurm",
            "scontrol",
            "echo JobState=COMPLETING Restarts=1",
            "why_it_ends 15",
            "preemption",
        ),
        ("gridengine", "qstat", "echo 17 0.5 R.job1 me dr 11/29/2026", "state_of_job", "dr"),
        ("pbs", "qstat", "echo '  Resource_List.walltime = 01:00:00'", "time_limit", "3600"),
        ("lsf", "bjobs", "echo '0:1 L'", "why_it_ends 15", "time_limit"),
    ],
)
def test_a_question_that_ends_with_the_job_is_asked_again(
    scheduler: str, command: str, answer: str, code: str, says: str, shell: Shell
) -> None:
    """`timeout` heeds TERM, whatever the script does."""
    put(shell, command, answer)
    numbers = dict.fromkeys(("SLURM_JOB_ID", "JOB_ID", "PBS_JOBID", "LSB_JOBID"), "17")

    code = f"sleep() {{ :; }}; heed_no_signals; {code}"
    assert shell.says(code, scheduler=scheduler, **numbers) == says
    assert (shell.project / "asked").exists()


def test_before_the_script_heeds_no_signals_another_one_may_end_its_question(shell: Shell) -> None:
    put(shell, "qstat", "echo 17 0.5 R.job1 me S 11/29/2026", "USR1")
    code = "trap : USR1; announces_end USR1 && echo ends"
    given = ["dispatch_goes_on_after=(preemption)"]
    assert shell.says(code, scheduler="gridengine", given=given, JOB_ID="17") == "ends"


def test_what_is_printed_in_vain_is_not_taken_for_the_answer(shell: Shell) -> None:
    program = shell.programs / "tells"
    program.write_text(
        "#!/bin/bash\n[ -e asked ] || { touch asked; echo old; kill -TERM $PPID; exec sleep 20; }\n"
        "echo new; exit 7\n"
    )
    program.chmod(0o755)
    assert shell.says("ask_in_time 9 tells; echo $?").split() == ["new", "7"]
    assert shell.says("ask_in_time 1 sleep 20; echo $?") == "124"


@pytest.mark.parametrize("status", [0, 1, 137, 153, 255])
def test_a_question_that_was_answered_is_not_asked_again(status: int, shell: Shell) -> None:
    """PBS says with 153, and LSF with 255, that there is no such job."""
    program = shell.programs / "tells"
    program.write_text(f"#!/bin/bash\necho >>asked\nexit {status}\n")
    program.chmod(0o755)
    assert shell.says("ask_in_time 9 tells; echo $? $(wc -l <asked)") == f"{status} 1"
