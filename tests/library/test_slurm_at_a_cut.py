"""What Slurm does to a job script that asks why it is cut."""

from __future__ import annotations

import pytest

from .conftest import Shell


def test_slurm_ends_also_what_asks_it(shell: Shell) -> None:
    program = shell.programs / "scontrol"
    program.write_text(
        "#!/bin/sh\n[ -e asked ] || { touch asked; kill $PPID; sleep 5; }\n"
        "echo Restarts=0 PreemptTime=2026-11-29T08:53:53\n"
    )
    program.chmod(0o755)
    code = "SLURM_JOB_ID=17; trap '' TERM; why_it_ends 15"
    assert shell.says(code, scheduler="slurm") == "preemption"


@pytest.mark.parametrize(
    ("shows", "taken"),
    [
        ("JobState=COMPLETING Reason=None Restarts=0 PreemptTime=None", ""),  # scancel
        ("JobState=COMPLETING Reason=None Restarts=0 PreemptTime=2026-11-29T08:53:53", "taken"),
        ("JobState=COMPLETING Reason=TimeLimit Restarts=0 PreemptTime=None", "taken"),
    ],
)
def test_a_job_that_was_cancelled_meanwhile_does_not_come_back(
    shows: str, taken: str, shell: Shell
) -> None:
    shell.stand_in("scontrol")
    code = "SLURM_JOB_ID=17; start_next_run && echo taken"
    assert shell.says(code, scheduler="slurm", SHOWS=shows) == taken


def test_the_state_of_a_job_says_whether_it_gives_way(shell: Shell) -> None:
    shell.stand_in("scontrol")
    code = 'SLURM_JOB_ID=17; is_preempted "$(state_of_job 3)" && echo gives way'
    shows = "JobState=RUNNING PreemptEligibleTime=now {}PreemptTime=now"
    assert shell.says(code, scheduler="slurm", SHOWS=shows.format("")) == "gives way"
    assert shell.says(code, scheduler="slurm", SHOWS=shows.format("Not")) == ""
