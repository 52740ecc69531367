"""What job scripts ask their scheduler: without one, and with Slurm, by stand-ins."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from .conftest import JOB_TEMPLATE, TOKEN, Shell


def test_without_a_scheduler_nothing_is_known_or_done(shell: Shell) -> None:
    code = """
        forget_scheduler_options; forget_limits_of_the_script; place_ranks; forget_places
        dismiss_watcher; words_of_job; words_for_each_node; echo ${#dispatch_each_node[@]}
        warning_signals; announces_end USR1 && status_for_scheduler 99
        time_limit_reached || echo no limit
        scheduler_made_session || echo no session
        may_have_job 17 && echo it may live
        echo "slurmstepd: error: x" | grep -E "^($(scheduler_programs)|$(scheduler_that_ends_jobs))"
    """

    assert shell.says(code).splitlines() == [
        "0", "99", "no limit", "no session", "it may live",
    ]  # fmt: skip


def test_a_schedulers_own_lines_are_known(shell: Shell) -> None:
    lines = (
        "slurmstepd: error: *** JOB 17 ***\nsrun: error: gpu1: task 0\nrelion_refine: error: x\n"
        "mpirun: it is odd\n"
    )
    (shell.project / "lines").write_text(lines)

    code = 'grep -cE "^($(scheduler_programs)): " lines; '
    code += 'grep -cE "^($(starters_of_ranks)): " lines; '
    code += 'grep -E "^$(scheduler_that_ends_jobs): " lines'
    assert shell.says(code, scheduler="slurm").splitlines() == ["2", "3", lines.splitlines()[0]]


def test_a_scheduler_answers_the_questions_that_are_asked() -> None:
    """What its functions.sh defines beside them nobody would call."""
    names = [
        set(re.findall(r"^(\w+)\(\)", path.read_text(), re.MULTILINE))
        for path in (
            JOB_TEMPLATE / "library" / "scheduler.sh",
            *JOB_TEMPLATE.glob("schedulers/*/functions.sh"),
        )
    ]

    assert len(names) > 1
    for answered in names[1:]:
        assert answered <= names[0]


def test_slurm_is_asked_without_variables_that_hide_jobs(shell: Shell) -> None:
    names = ["SQUEUE_USERS", "SCANCEL_STATE", "SCONTROL_ALL", "SLURM_CLUSTERS", "SLURM_JOB_ID"]

    said = shell.says(
        "forget_scheduler_options; env | grep ^S | cut -d= -f1 | sort",
        scheduler="slurm",
        **dict.fromkeys(names, "x"),
    )

    assert "SLURM_JOB_ID" in said.split()
    assert not set(names[:4]) & set(said.split())


def test_ranks_do_not_inherit_limits_of_the_batch_step(shell: Shell) -> None:
    names = ["SLURM_MEM_PER_CPU", "SLURM_MEM_PER_GPU", "SLURM_MEM_PER_NODE", "SLURM_CPU_BIND"]

    said = shell.says(
        "forget_limits_of_the_script; env | grep -c ^SLURM_",
        scheduler="slurm",
        **dict.fromkeys([*names, "SLURM_NTASKS_PER_NODE", "SLURM_JOB_ID"], "x"),
    )

    assert said == "1"


@pytest.mark.parametrize(
    ("state", "seconds_left", "reached"),
    [("RUNNING", 60, 0), ("RUNNING", 4000, 1), ("TIMEOUT", -9, 0), ("CANCELLED", 60, 1)],
)
def test_slurm_tells_a_time_limit_from_a_cancellation(
    state: str, seconds_left: int, reached: int, shell: Shell
) -> None:
    shell.stand_in("scontrol")
    end = time.strftime("%FT%T", time.localtime(time.time() + seconds_left))

    done = shell(
        "time_limit_reached",
        scheduler="slurm",
        SHOWS=f"JobId=5 JobState={state}\n   StartTime=Unknown EndTime={end}",
        SLURM_JOB_ID="5",
    )

    assert done.returncode == reached


@pytest.mark.parametrize(("parent", "made"), [("slurmstepd", 0), ("bash", 1)])
def test_slurms_step_makes_the_session(parent: str, made: int, shell: Shell) -> None:
    done = shell(f"ps() {{ echo {parent}; }}; scheduler_made_session", scheduler="slurm")

    assert done.returncode == made


def test_slurm_knows_a_job_by_its_id_and_cluster(shell: Shell) -> None:
    assert shell.says("words_of_job", scheduler="slurm", SLURM_CLUSTER_NAME="c") == "17 c"
    assert shell.says("words_of_job", scheduler="slurm").strip() == "17"
    assert shell.says("words_of_job", scheduler="slurm", given=["dispatch_scheduler_job="]) == ""


@pytest.mark.parametrize(
    ("says", "status", "may_live"),
    [
        ("job:17", "0", True),
        ("", "0", False),
        ("ERROR: ld.so: object 'x.so' cannot be preloaded: ignored.", "0", False),
        ("ERROR: ld.so: object 'x.so' cannot be preloaded: ignored.\njob:17", "0", True),
        ("slurm_load_jobs error: Invalid job id specified", "1", False),
        ("slurm_load_jobs error: Unable to contact slurm controller", "1", True),
    ],
)
def test_slurm_may_have_a_job_unless_it_says_that_it_has_not(
    says: str, status: str, may_live: bool, shell: Shell
) -> None:
    shell.stand_in("squeue")
    variables = {"SAYS": says, "STATUS": status}

    assert (shell("may_have_job 17", scheduler="slurm", **variables).returncode == 0) == may_live
    assert shell("may_have_job 17 another", scheduler="slurm", **variables).returncode == 0


def test_without_squeue_a_job_may_live(shell: Shell) -> None:
    assert shell("PATH=/nowhere; may_have_job 17", scheduler="slurm").returncode == 0


def test_slurm_starts_a_program_once_on_each_node(shell: Shell) -> None:
    code = 'words_for_each_node; printf "%s\\n" "${dispatch_each_node[@]}"'

    words = shell.says(code, scheduler="slurm", given=["dispatch_nodes=3"]).splitlines()

    assert words[:4] == ["env", "-u", "SLURM_HOSTFILE", "srun"]
    assert {"--nodes=3", "--ntasks=3", "--ntasks-per-node=1", "--overlap"} <= set(words)
    assert shell.says(code, scheduler="slurm") == ""


@pytest.mark.parametrize(
    ("ranks", "leaders", "places"),
    [(5, 1, "n1 n1 n1 n2 n2"), (9, 1, "n1 n1 n1 n1 n1 n2 n2 n2 n2"), (4, 0, "n1 n1 n2 n2")],
)
def test_slurm_places_the_leader_first_and_followers_evenly(
    ranks: int, leaders: int, places: str, shell: Shell
) -> None:
    shell.stand_in("scontrol")
    code = """
        place_ranks
        [ "$(printenv SLURM_HOSTFILE)" = "$dispatch_places" ] && cat "$SLURM_HOSTFILE"
        forget_places
        [ -e "$SLURM_HOSTFILE" ] || echo forgotten
    """

    said = shell.says(
        code,
        scheduler="slurm",
        given=[f"dispatch_ranks={ranks}", f"dispatch_leaders={leaders}", "dispatch_nodes=2"],
        SHOWS="n1\nn2",
        SLURM_JOB_NODELIST="n[1-2]",
    )

    assert said.split() == [*places.split(), "forgotten"]


def test_a_host_file_of_the_users_own_stays(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "hosts").touch()

    shell("forget_places", scheduler="slurm", SLURM_HOSTFILE=tmp_path / "hosts")

    assert (tmp_path / "hosts").exists()


@pytest.mark.parametrize(
    ("told", "watcher", "cancels"),
    [
        (True, "18\n", True),
        (False, "18\n", False),
        (True, "\n", False),
        (True, "--all\n", False),
        (True, None, False),
    ],
)
def test_the_watcher_is_dismissed_once_relion_knows(
    told: bool, watcher: str | None, cancels: bool, shell: Shell
) -> None:
    shell.stand_in("scancel")
    if told:
        (shell.job / "RELION_JOB_EXIT_SUCCESS").touch()
    if watcher is not None:
        (shell.job / f".dispatch_watcher.{TOKEN}").write_text(watcher)

    shell("dismiss_watcher", scheduler="slurm", SCANCEL_LOG=shell.log)

    assert (shell.log.read_text() if shell.log.exists() else "") == ("18\n" if cancels else "")
