"""How a job script learns that its time limit is near, or that it gives way: Slurm warns it."""

from __future__ import annotations

import time

import pytest

from .conftest import JOB_TEMPLATE, Shell


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
        ("TERM", 60, "time_limit"),  # a site's own --signal=B:TERM, or a scancel
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


@pytest.mark.parametrize(("ahead", "reached"), [(60, "reached"), (36000, "")])
def test_a_newer_slurm_tells_the_end_to_jobs_that_do_not_go_on_too(
    ahead: int, reached: str, shell: Shell
) -> None:
    """And to those that wait for the end of the run before them."""
    shell.stand_in("scontrol")
    code = "announces_end USR1; known_end; time_limit_reached && echo reached"
    end = str(int(time.time()) + ahead)
    said = shell.says(code, scheduler="slurm", SHOWS="", SLURM_JOB_END_TIME=end)
    assert said.split() == [end, *reached.split()]


def test_slurm_warns_by_a_signal_that_nothing_else_sends(shell: Shell) -> None:
    directives = JOB_TEMPLATE / "schedulers" / "slurm" / "directives.sh.j2"
    (signal,) = shell.says("warning_signals", scheduler="slurm").split()
    assert f"#SBATCH --signal=B:{signal}@60\n" in directives.read_text()


@pytest.mark.parametrize(
    ("state", "warned", "reached"),
    [
        ("JobState=TIMEOUT", False, True),
        ("JobState=COMPLETING Reason=TimeLimit", False, True),
        ("JobState=COMPLETING Reason=None", True, False),
        ("JobState=RUNNING PreemptTime=None EndTime=SOON", False, True),
        ("JobState=RUNNING PreemptTime=None EndTime=LATER", False, False),
        # A site's own --signal=B:USR1@300.
        ("JobState=RUNNING PreemptTime=None EndTime=LATER", True, True),
        # Slurm has moved its end to that of the grace time.
        ("JobState=RUNNING PreemptTime=NOW EndTime=SOON", True, False),
        ("JobState=RUNNING PreemptTime=NOW EndTime=SOON", False, False),
        ("", False, False),
    ],
)
def test_slurm_says_whether_the_time_is_over(
    state: str, warned: bool, reached: bool, shell: Shell
) -> None:
    for word, ahead in (("NOW", 0), ("SOON", 60), ("LATER", 300)):
        state = state.replace(word, shell.says(f"date -d '+{ahead} seconds' +%FT%T"))
    code = f'{"announces_end USR1; " if warned else ""}is_at_limit "{state}" && echo reached'
    assert (shell.says(code, scheduler="slurm") == "reached") == reached


def test_a_warning_long_before_the_limit_is_one(shell: Shell) -> None:
    shell.stand_in("scontrol")
    later = time.strftime("%FT%T", time.localtime(time.time() + 300))
    shows = f"JobState=RUNNING Restarts=0\n EndTime={later}\n PreemptTime=None"
    code = "SLURM_JOB_ID=17; announces_end USR1; why_it_ends 15; time_limit_reached && echo reached"
    assert shell.says(code, scheduler="slurm", SHOWS=shows) == "time_limit\nreached"


def test_the_end_of_a_job_is_near_when_slurm_may_have_warned(shell: Shell) -> None:
    """It warns a minute before, and up to a minute early."""
    code = (
        "for ahead in 100 3600; do "
        'end=$(end_in "Start=Unknown EndTime=$(date -d "+$ahead seconds" +%FT%T)"); '
        'is_near "$end" && echo $ahead; done; is_near "$(end_in EndTime=Unknown)" && echo unknown'
    )
    assert shell.says(code, scheduler="slurm") == "100"
