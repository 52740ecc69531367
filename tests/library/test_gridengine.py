"""What job scripts ask Grid Engine, by stand-ins of its commands."""

from __future__ import annotations

import pytest

from .conftest import TOKEN, Shell


def stand_in(shell: Shell, name: str, body: str) -> None:
    """A command that notes its arguments."""
    path = shell.programs / name
    path.write_text(f'#!/bin/bash\necho "{name} $*" >>"{shell.log}"\n{body}\n')
    path.chmod(0o755)


def test_lines_of_grid_engine_are_told_from_those_of_programs(shell: Shell) -> None:
    code = """
        printf '%s: x\\n' sge_shepherd qsub relion_refine | grep -cE "^($(scheduler_programs)): "
        echo sge_execd: x | grep -cE "^($(scheduler_that_ends_jobs)): "
        opens_texts || echo the script opens them
    """

    assert shell.says(code, scheduler="gridengine").split("\n") == [
        "2",
        "1",
        "the script opens them",
    ]


def test_no_option_of_the_user_changes_what_grid_engines_commands_print(shell: Shell) -> None:
    said = shell.says(
        "forget_scheduler_options; env | grep ^SGE_ | sort",
        scheduler="gridengine",
        SGE_LONG_JOB_NAMES="1",
        SGE_DEBUG_LEVEL="2",
        SGE_ROOT="/r",
    )

    assert said == "SGE_ROOT=/r"


@pytest.mark.parametrize(("status", "told"), [(0, 0), (1, 1), (99, 1), (100, 1), (137, 137)])
def test_no_status_runs_a_job_again_or_holds_it(status: int, told: int, shell: Shell) -> None:
    assert shell.says(f"status_for_scheduler {status}", scheduler="gridengine") == str(told)


def test_a_job_that_goes_on_ends_with_99(shell: Shell) -> None:
    stand_in(shell, "qstat", "echo '     17 0.5 R.job1 me r 11/29/2026 08:31:06 gpu.q@n1 3'")

    code = "start_next_run && status_for_scheduler 143"

    assert shell.says(code, scheduler="gridengine", JOB_ID="17") == "99"


@pytest.mark.parametrize(
    ("state", "limit", "asked"),
    [
        ("r", "INFINITY", "0 99"),
        ("r", "00:30:00", "1 143"),  # it is reached: 99 does not count any more
        ("dr", "INFINITY", "1 143"),
        ("Rq", "INFINITY", "0 143"),  # it is back in the queue
        ("S", "INFINITY", "0 99"),
        ("", "INFINITY", "0 99"),
    ],
)
def test_the_next_run_is_asked_for_if_the_master_would_start_it(
    state: str, limit: str, asked: str, shell: Shell
) -> None:
    stand_in(shell, "qstat", f"echo '     17 0.5 R.job1 me {state} 11/29/2026'" if state else "")
    stand_in(shell, "qconf", QUEUE.format("INFINITY", limit))

    code = 'SECONDS=1801; start_next_run; echo "$? $(status_for_scheduler 143)"'
    said = shell.says(code, scheduler="gridengine", JOB_ID="17", QUEUE="gpu.q", HOSTNAME="n1")

    assert said == asked


@pytest.mark.parametrize(
    ("state", "signal", "why"),
    [
        ("r", 15, "time_limit"),
        ("r", 0, ""),
        ("r", 12, ""),
        ("dr", 15, ""),
        ("dS", 15, ""),
        ("Rq", 15, "preemption"),
        ("s", 15, "preemption"),
        ("S", 0, "preemption"),
        ("T", 0, "preemption"),
        ("", 15, "time_limit"),
    ],
)
def test_why_a_job_ends_is_in_its_state(state: str, signal: int, why: str, shell: Shell) -> None:
    row = "echo \"     {} 0.5 R.job1 me {} $(date '+%m/%d/%Y %H:%M:%S') gpu.q@n1 3\""
    body = row.format(117, "Rq") + (f"; {row.format(17, state)}" if state else "")
    stand_in(shell, "qstat", body)
    stand_in(shell, "qconf", QUEUE.format("INFINITY", "00:30:00"))

    code = f'SECONDS=1800; state_of_job; echo "why:$(why_it_ends {signal})"'
    said = shell.says(code, scheduler="gridengine", JOB_ID="17", QUEUE="gpu.q", HOSTNAME="n1")

    assert said.split("\n") == [*([state] if state else []), f"why:{why}"]


@pytest.mark.parametrize(("ago", "why"), [(0, "preemption"), (60, "lost_node")])
def test_a_job_that_is_put_back_while_its_node_is_silent_has_lost_it(
    ago: int, why: str, shell: Shell
) -> None:
    """The node hears of it when it is back, and otherwise at once."""
    since = f"$(date -d '-{ago} seconds' '+%m/%d/%Y %H:%M:%S')"
    stand_in(shell, "qstat", f'echo "     17 0.5 R.job1 me Rq {since}          3"')

    code = 'was_put_back_unheard "" && echo unheard of; row_of_job | wc -w; why_it_ends 15'
    assert shell.says(code, scheduler="gridengine", JOB_ID="17").split() == ["3", why]


@pytest.mark.parametrize(
    ("after", "state", "ends"),
    [("preemption", "S", True), ("preemption", "r", False), ("time_limit", "S", False)],
)
def test_a_job_that_is_suspended_gives_way_if_it_goes_on(
    after: str, state: str, ends: bool, shell: Shell
) -> None:
    stand_in(shell, "qstat", f"echo '17 0.5 R.job1 me {state} 11/29/2026 08:31:06 gpu.q@n1 3'")
    done = shell(
        "announces_end USR1",
        scheduler="gridengine",
        given=[f"dispatch_goes_on_after=({after})"],
        JOB_ID="17",
    )
    assert (done.returncode == 0) == ends


def test_a_silent_master_leaves_the_signal_to_tell_of_a_suspension(shell: Shell) -> None:
    """Grid Engine sends USR1 to the script, and to the program, which ends by it with 138."""
    stand_in(shell, "qstat", "echo error: commlib error >&2; exit 1")
    stand_in(shell, "qconf", "exit 1")

    def says(code: str, after: str = "preemption") -> str:
        given = [f"dispatch_goes_on_after=({after})"]
        return shell.says(code, scheduler="gridengine", given=given, JOB_ID="17")

    assert says("announces_end USR1 && why_it_ends 15") == "preemption"
    assert says("announces_end USR1 && why_it_ends 15", after="time_limit") == ""
    assert says("announces_end USR2 && why_it_ends 15") == ""
    assert says("dispatch_status=138; why_it_ends 0") == "preemption"
    assert says("dispatch_status=137; why_it_ends 0") == ""
    stand_in(shell, "qstat", "echo '17 0.5 R.job1 me r 11/29/2026 08:31:06 gpu.q@n1 3'")
    assert says("dispatch_status=138; why_it_ends 0") == ""


LIMITS = 'echo "hard resource_list:         gpu=2,{},ram=1G"'
QUEUE = "printf 's_rt                  {}\\nh_rt                  {}\\n'"


@pytest.mark.parametrize(
    ("asked", "of_the_queue", "ran", "reached"),
    [
        ("h_rt=3600", "INFINITY", 3601, True),
        ("h_rt=3600", "INFINITY", 3500, False),
        ("h_rt=3600", "00:30:00", 1801, True),
        ("q=1", "24:00:00", 86401, True),
        ("q=1", "INFINITY", 86401, False),
        ("h_rt=3600,s_rt=3000", "INFINITY", 3000, True),
        ("h_rt=01:00:00", "INFINITY", 3599, True),
    ],
)
def test_the_time_limit_is_the_jobs_or_its_queues(
    asked: str, of_the_queue: str, ran: int, reached: bool, shell: Shell
) -> None:
    stand_in(shell, "qstat", LIMITS.format(asked))
    stand_in(shell, "qconf", QUEUE.format("INFINITY", of_the_queue))

    code = f"SECONDS={ran}; time_limit_reached && echo reached; announces_end USR1 && echo ends"
    said = shell.says(code, scheduler="gridengine", JOB_ID="17", QUEUE="gpu.q", HOSTNAME="n1")

    assert said.split() == (["reached", "ends"] if reached else [])
    assert {"qstat -j 17", "qconf -sq gpu.q@n1"} >= set(shell.log.read_text().splitlines())


def test_a_job_without_a_warning_stops_before_its_limit(shell: Shell) -> None:
    """Where jobs are suspended, no signals are asked for."""
    stand_in(shell, "qstat", LIMITS.format("h_rt=3600"))
    stand_in(shell, "qconf", QUEUE.format("INFINITY", "00:30:00"))

    ran = "for ran in 1700 1740; do SECONDS=$ran; time_limit_reached && echo $ran; done"
    code = f"stops_after; {ran}"
    said = shell.says(
        code,
        scheduler="gridengine",
        given=["dispatch_own_warning=60", "dispatch_time_limit=3600"],
        JOB_ID="17",
        QUEUE="gpu.q",
        HOSTNAME="n1",
    )

    assert said.split() == ["1740", "1740"]


def test_a_pause_is_no_end_and_a_deletion_is(shell: Shell) -> None:
    """USR1 comes before a job is suspended, USR2 before it is killed."""
    stand_in(shell, "qstat", "exit 1")
    stand_in(shell, "qconf", "exit 1")

    code = "warning_signals; for each in USR1 USR2; do announces_end $each && echo $each ends; done"

    assert shell.says(code, scheduler="gridengine", JOB_ID="17").splitlines() == [
        "USR1 USR2", "USR2 ends",
    ]  # fmt: skip


def test_a_shepherds_session_is_the_jobs(shell: Shell) -> None:
    for parent, made in (("sge_shepherd", 0), ("bash", 1)):
        code = f"ps() {{ echo {parent}; }}; dispatch_session=5; scheduler_made_session"
        assert shell(code, scheduler="gridengine").returncode == made


@pytest.mark.parametrize(
    ("body", "may_live"),
    [
        ("echo 'job_number: 17'", True),
        ("printf 'Following jobs do not exist: \\n17\\n' >&2; exit 1", False),
        ("echo 'error: commlib error: got select error' >&2; exit 1", True),
    ],
)
def test_a_job_may_live_unless_the_master_says_that_there_is_none(
    body: str, may_live: bool, shell: Shell
) -> None:
    stand_in(shell, "qstat", body)

    assert shell.says("words_of_job", scheduler="gridengine") == "17 default"
    assert (shell("may_have_job 17 default", scheduler="gridengine").returncode == 0) == may_live
    assert shell("may_have_job 17 another", scheduler="gridengine").returncode == 0


@pytest.mark.parametrize("told", [True, False])
def test_the_watcher_is_dismissed_once_relion_knows(told: bool, shell: Shell) -> None:
    stand_in(shell, "qdel", "")
    (shell.job / f".dispatch_watcher.{TOKEN}").write_text("18\n")
    if told:
        (shell.job / "RELION_JOB_EXIT_SUCCESS").touch()

    shell("dismiss_watcher", scheduler="gridengine")

    assert (shell.log.read_text() if shell.log.exists() else "") == ("qdel 18\n" if told else "")
