"""What Slurm does to a job script that asks why it is cut."""

from __future__ import annotations

import pytest

from .conftest import Shell


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


@pytest.mark.parametrize(
    ("shows", "restarted", "why"),
    [
        ("JobState=RUNNING Restarts=0\n EndTime=SOON\n PreemptTime=None", "", "time_limit"),
        ("JobState=RUNNING Restarts=0\n EndTime=LATER\n PreemptTime=None", "", ""),
        ("JobState=COMPLETING Restarts=0\n EndTime=SOON\n PreemptTime=None", "", ""),
        ("JobState=COMPLETING Restarts=1\n EndTime=LATER", "", "preemption"),
        ("JobState=COMPLETING Restarts=1\n EndTime=SOON\n PreemptTime=None", "1", ""),
        ("JobState=COMPLETING Restarts=2\n EndTime=LATER", "1", "preemption"),
        ("JobState=COMPLETING Reason=TimeLimit Restarts=0\n PreemptTime=None", "", "time_limit"),
        (
            "JobState=COMPLETING Restarts=0\n PreemptEligibleTime=SOON PreemptTime=SOON",
            "",
            "preemption",
        ),
        ("", "", ""),
    ],
)
def test_slurm_says_why_it_ends_a_run(shows: str, restarted: str, why: str, shell: Shell) -> None:
    shell.stand_in("scontrol")
    for word, ahead in (("SOON", 60), ("LATER", 86400)):
        shows = shows.replace(word, shell.says(f"date -d '+{ahead} seconds' +%FT%T"))
    restarts = {"SLURM_RESTART_COUNT": restarted} if restarted else {}

    code = "sleep() { :; }; SLURM_JOB_ID=17; why_it_ends 15"
    said = shell.says(code, scheduler="slurm", SHOWS=shows, **restarts)

    assert said == why


@pytest.mark.parametrize(
    ("says", "status", "taken"),
    [
        ("", 0, "taken"),
        ("Job is pending execution for job 17", 1, "taken"),
        ("Requested operation is presently disabled for job 17", 1, ""),
    ],
)
def test_slurm_puts_the_job_back(says: str, status: int, taken: str, shell: Shell) -> None:
    program = shell.programs / "scontrol"
    program.write_text(
        '#!/bin/sh\n[ "$1" = requeue ] || { echo Restarts=0; exit; }\n'
        f'echo "$*" >asked\necho "{says}" >&2\nexit {status}\n'
    )
    program.chmod(0o755)

    assert shell.says("SLURM_JOB_ID=17; start_next_run && echo taken", scheduler="slurm") == taken
    assert (shell.project / "asked").read_text() == "requeue 17\n"


def test_a_slurm_that_does_not_answer_is_asked_again(shell: Shell) -> None:
    program = shell.programs / "scontrol"
    program.write_text(
        '#!/bin/sh\n[ "$1" = requeue ] || exit 1\n'
        "[ -e down ] || { touch down; echo Unable to contact slurm controller >&2; exit 1; }\n"
    )
    program.chmod(0o755)
    code = "SLURM_JOB_ID=17; sleep() { :; }; start_next_run && echo taken"
    assert shell.says(code, scheduler="slurm") == "taken"


# Notes what it is asked for, and refuses the update that a test names.
SCONTROL = """#!/bin/sh
[ "$1" != show ] || { echo "JobState=RUNNING Requeue=$REQUEUE Restarts=0"; exit; }
echo "$*" >>asked
case "$*" in "update "*${REFUSES:-nothing}*) exit 1 ;; esac
"""


@pytest.mark.parametrize("requeue", ["0", "1"])
@pytest.mark.parametrize(
    ("refuses", "largest", "last"),
    [
        ("", "250000\n131072\n", "update JobId=17 MinMemoryNode=131072 Requeue={}"),
        ("", "", "update JobId=17 MinMemoryNode=131072 Requeue={}"),  # nobody says how much
        ("MinMemoryNode", "131072\n", "cancelled"),
        ("Requeue=1", "131072\n", "update JobId=17 Requeue=1"),  # before the job was put back
        ("", "131071\n", ""),
    ],
)
def test_slurm_raises_the_memory_of_a_job_that_is_back_in_the_queue(
    refuses: str, largest: str, last: str, requeue: str, shell: Shell
) -> None:
    for name, text in (
        ("scontrol", SCONTROL),
        ("sinfo", f"#!/bin/sh\nprintf '{largest}'\n"),
        ("scancel", "#!/bin/sh\necho cancelled >>asked\n"),
    ):
        program = shell.programs / name
        program.write_text(text)
        program.chmod(0o755)
    code = "SLURM_JOB_ID=17 SLURM_JOB_PARTITION=gpu; sleep() { :; }; "

    done = shell(
        f"{code}start_next_run_with_memory 131072",
        scheduler="slurm",
        REQUEUE=requeue,
        REFUSES=refuses,
    )

    asked = shell.project / "asked"
    lines = asked.read_text().splitlines() if asked.exists() else [""]
    assert lines[-1] == last.format(requeue)
    assert (done.returncode == 0) == (not refuses and bool(last))
    if done.returncode == 0:
        assert lines[:2] == ["update JobId=17 Requeue=1", "requeue 17"]


def test_the_largest_node_of_the_jobs_partition_counts(shell: Shell) -> None:
    program = shell.programs / "sinfo"
    program.write_text("#!/bin/sh\necho \"$*\" >asked\nprintf '98304\\n250000\\n9000\\n'\n")
    program.chmod(0o755)
    code = "SLURM_JOB_PARTITION=gpu; most_memory_of_a_node"
    assert shell.says(code, scheduler="slurm") == "250000"
    assert "--partition=gpu" in (shell.project / "asked").read_text().split()


NODE_FAILED = "DUE TO NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS ***"


@pytest.mark.parametrize(
    ("err", "shows", "why"),
    [
        ("JOB 17 ON gpu1 CANCELLED AT NOW DUE TO PREEMPTION ***", "", "preemption"),
        ("JOB 17 ON gpu1 CANCELLED AT NOW DUE TO JOB REQUEUE ***", "", "preemption"),
        ("JOB 17 ON gpu1 CANCELLED AT NOW DUE to SIGNAL Terminated ***", "", ""),
        ("JOB 16 ON gpu1 CANCELLED AT NOW DUE TO PREEMPTION ***", "", ""),
        (f"JOB 17 ON gpu1 CANCELLED AT NOW {NODE_FAILED}", "", "lost_node"),
        # One of its nodes was lost, or an admin has set its node to down.
        (f"JOB 17 ON gpu1 CANCELLED AT NOW {NODE_FAILED}", "Restarts=1", "lost_node"),
        (f"STEP 17.0 ON gpu1 CANCELLED AT NOW {NODE_FAILED}", "Restarts=1", "lost_node"),
        (f"JOB 16 ON gpu1 CANCELLED AT NOW {NODE_FAILED}", "Restarts=1", "preemption"),
    ],
)
@pytest.mark.parametrize("daemon", ["slurmstepd-gpu1:", "[2026-11-29T11:33:06.005]"])
def test_why_a_run_ends_is_known_from_the_node(
    daemon: str, err: str, shows: str, why: str, shell: Shell
) -> None:
    """What it wrote of an earlier run does not count."""
    shell.stand_in("scontrol")
    before = f"slurmstepd-gpu1: error: *** JOB 17 ON gpu1 CANCELLED AT NOW {NODE_FAILED}\n"
    (shell.project / "run.err").write_text(f"{before}{daemon} error: *** {err}\n")
    code = (
        f"sleep() {{ :; }}; SLURM_JOB_ID=17 dispatch_err_before={len(before)} "
        "dispatch_errfile=run.err; ended_because_of NONSENSE; why_it_ends 15"
    )
    assert shell.says(code, scheduler="slurm", SHOWS=shows) == why


def test_a_slurm_that_stays_silent_may_have_put_a_preempted_job_back(shell: Shell) -> None:
    """Then the next run goes on, or the job after the job tells."""
    program = shell.programs / "scontrol"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    code = "SLURM_JOB_ID=17 dispatch_cut=%s; sleep() { :; }; start_next_run && echo taken"
    assert shell.says(code % "preemption", scheduler="slurm") == "taken"
    assert shell.says(code % "time_limit", scheduler="slurm") == ""


def test_a_job_that_slurm_has_put_back_is_left_alone(shell: Shell) -> None:
    """Its next run may have begun, which a second call would end."""
    shell.stand_in("scontrol")
    code = "SLURM_JOB_ID=17; is_requeued Restarts=1 && start_next_run && echo taken"
    assert shell.says(code, scheduler="slurm", SHOWS="JobState=RUNNING Restarts=1") == "taken"
