"""What Slurm does to a job script that asks why it is cut."""

from __future__ import annotations

import time

import pytest

from .conftest import JOB_TEMPLATE, Shell


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


@pytest.mark.parametrize(("ahead", "why"), [(60, "time_limit"), (3600, ""), (None, "")])
@pytest.mark.parametrize("told", ["by a variable", "by scontrol"])
def test_without_an_answer_the_limit_is_known_from_the_start(
    told: str, ahead: int | None, why: str, shell: Shell
) -> None:
    """The newer Slurm sets a variable, and the older one is asked."""
    shell.stand_in("scontrol")
    variable, shows = {}, "JobState=RUNNING"
    if ahead is not None and told == "by a variable":
        variable = {"SLURM_JOB_END_TIME": str(int(time.time()) + ahead)}
    elif ahead is not None:
        end = time.strftime("%FT%T", time.localtime(time.time() + ahead))
        shows += f"\n   StartTime=Unknown EndTime={end}"
    code = "sleep() { :; }; learn_end; SHOWS=; why_it_ends 15"
    assert shell.says(code, scheduler="slurm", SHOWS=shows, **variable) == why


@pytest.mark.parametrize(("left", "why"), [(3000, ""), (120, "time_limit"), (30, "time_limit")])
def test_where_slurm_cannot_be_asked_the_job_knows_what_it_asks_for(
    left: int, why: str, shell: Shell
) -> None:
    """Slurm warns up to two minutes before the limit, and counts from before the script began."""
    shell.stand_in("scontrol")
    began = "SECONDS=$((3600 - 45 - LEFT)) SLURM_JOB_ID=17 dispatch_time_limit=3600; learn_end"
    code = f"sleep() {{ :; }}; {began.replace('LEFT', str(left))}; why_it_ends 15"
    assert shell.says(code, scheduler="slurm", SHOWS="") == why


@pytest.mark.parametrize(
    ("heard", "ahead", "why"),
    [
        ("USR1", 60, "time_limit"),
        ("USR1", 3600, "preemption"),
        ("USR1", None, "time_limit"),
        ("TERM", 60, "time_limit"),  # a site's own --signal=B:TERM
        ("TERM", 3600, ""),
        ("TERM", None, ""),
    ],
)
def test_where_slurm_cannot_be_asked_its_warning_is_nobodys_wish(
    heard: str, ahead: int | None, why: str, shell: Shell
) -> None:
    """As TERM may be, by which somebody cancels a job."""
    shell.stand_in("scontrol")
    ends = "" if ahead is None else str(int(time.time()) + ahead)
    warned = "announces_end USR1; is_warned || exit 1; " if heard == "USR1" else ""
    code = f"sleep() {{ :; }}; SLURM_JOB_ID=17 dispatch_ends={ends}; {warned}"

    assert shell.says(f"{code}why_it_ends 15", scheduler="slurm", SHOWS="") == why
    gave_way = shell.says(f"{code}gave_way && echo yes", scheduler="slurm", SHOWS="")
    assert gave_way == ("yes" if why == "preemption" else "")


def test_slurm_warns_by_a_signal_that_nothing_else_sends(shell: Shell) -> None:
    directives = JOB_TEMPLATE / "schedulers" / "slurm" / "directives.sh.j2"
    (signal,) = shell.says("warning_signals", scheduler="slurm").split()
    assert f"#SBATCH --signal=B:{signal}@60\n" in directives.read_text()


@pytest.mark.parametrize(
    ("state", "reached"),
    [
        ("JobState=TIMEOUT", True),
        ("JobState=COMPLETING Reason=TimeLimit", True),
        ("JobState=COMPLETING Reason=None", False),
        ("", False),
    ],
)
def test_slurm_says_that_the_time_is_over(state: str, reached: bool, shell: Shell) -> None:
    code = f'is_at_limit "{state}" && echo reached'
    assert (shell.says(code, scheduler="slurm") == "reached") == reached


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


def test_the_end_of_a_job_is_near_when_slurm_may_have_warned(shell: Shell) -> None:
    """It warns a minute before, and up to a minute early."""
    code = (
        "for ahead in 100 3600; do "
        'end=$(end_in "Start=Unknown EndTime=$(date -d "+$ahead seconds" +%FT%T)"); '
        'is_near "$end" && echo $ahead; done; is_near "$(end_in EndTime=Unknown)" && echo unknown'
    )
    assert shell.says(code, scheduler="slurm") == "100"


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
