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
        opens_texts && time_limit; given_mps
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
    """What its functions.sh defines beside them, it calls itself: nobody else would."""
    defines = re.compile(r"^(\w+)\(\)", re.MULTILINE)
    asked = {*defines.findall((JOB_TEMPLATE / "library" / "scheduler.sh").read_text())}
    answers = [*JOB_TEMPLATE.glob("schedulers/*/functions.sh")]

    assert len(answers) > 1
    for text in (path.read_text() for path in answers):
        for name in {*defines.findall(text)} - asked:
            assert len(re.findall(rf"\b{name}\b", text)) > 1, name


def test_slurm_is_asked_without_variables_that_change_its_answers(shell: Shell) -> None:
    names = ["SQUEUE_USERS", "SCANCEL_STATE", "SCONTROL_ALL", "SACCT_LOCAL", "SLURM_CLUSTERS"]
    names += ["SLURM_TIME_FORMAT", "SLURM_JOB_ID"]

    said = shell.says(
        "forget_scheduler_options; env | grep ^S | cut -d= -f1 | sort",
        scheduler="slurm",
        **dict.fromkeys(names, "x"),
    )

    assert "SLURM_JOB_ID" in said.split()
    assert not set(names[:6]) & set(said.split())


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


PBS_JOB = "dispatch_scheduler_job=4711.pbs01 PBS_JOBID=4711.pbs01"


def program(shell: Shell, name: str, body: str) -> None:
    """Put a program of a few lines into the PATH, which logs its arguments."""
    file = shell.programs / name
    file.write_text(f'#!/bin/bash\necho "{name} $*" >>"{shell.log}"\n{body}\n')
    file.chmod(0o755)


@pytest.mark.parametrize("scheduler", ["pbs", "lsf"])
def test_the_script_opens_its_texts_where_a_scheduler_would_spoil_them(
    scheduler: str, shell: Shell
) -> None:
    assert shell.says("opens_texts || echo opens", scheduler=scheduler) == "opens"


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("    Resource_List.walltime = 48:30:00", "174600"),
        ("    Resource_List.ncpus = 1", ""),
        ("", ""),
    ],
)
def test_pbs_tells_the_time_limit(said: str, seconds: str, shell: Shell) -> None:
    program(shell, "qstat", f"echo 'Job Id: 4711.pbs01'; echo '{said}'")

    assert shell.says(f"{PBS_JOB}; time_limit", scheduler="pbs") == seconds


@pytest.mark.parametrize(
    ("left", "reached"), [("0:1 L", "yes"), ("1:30 L", ""), ("0:0 X", "yes"), ("-", ""), ("", "")]
)
def test_lsf_tells_whether_the_time_is_up(left: str, reached: str, shell: Shell) -> None:
    program(shell, "bjobs", f"echo '{left}'")

    code = "LSB_JOBID=4711; time_limit_reached && echo yes"
    assert shell.says(code, scheduler="lsf") == reached
    assert shell.says("warning_signals", scheduler="lsf") == "USR2"
    code = "LSB_JOBID=4711; for signal in 15 0; do why_it_ends $signal; done"
    assert shell.says(code, scheduler="lsf") == ("time_limit" if reached else "")


@pytest.mark.parametrize(("status", "told"), [(0, "0"), (99, "1"), (143, "143")])
def test_only_a_job_that_goes_on_ends_with_what_lsf_starts_again(
    status: int, told: str, shell: Shell
) -> None:
    code = f"status_for_scheduler {status}; start_next_run && status_for_scheduler {status}"
    assert shell.says(code, scheduler="lsf").split() == [told, "99"]


@pytest.mark.parametrize(
    ("scheduler", "name", "said", "may"),
    [
        ("pbs", "qstat", "echo 4711.pbs01 R", "yes"),
        ("pbs", "qstat", "echo 'qstat: Unknown Job Id 4711.pbs01' >&2; exit 153", ""),
        ("pbs", "qstat", "echo 'qstat: 4711.pbs01 Job has finished, use -x' >&2; exit 35", ""),
        ("pbs", "qstat", "echo 'qstat: cannot connect to server' >&2; exit 255", "yes"),
        ("lsf", "bjobs", "echo RUN", "yes"),
        ("lsf", "bjobs", "echo EXIT", ""),
        ("lsf", "bjobs", "echo 'Job <4711> is not found' >&2; exit 255", ""),
        ("lsf", "bjobs", "echo 'batch daemon not responding' >&2; exit 255", "yes"),
    ],
)
def test_a_scratch_folder_stays_while_its_job_may_live(
    scheduler: str, name: str, said: str, may: str, shell: Shell
) -> None:
    program(shell, name, said)

    code = f"{PBS_JOB}; may_have_job $(words_of_job) && echo yes"
    assert shell.says(code, scheduler=scheduler) == may


@pytest.mark.parametrize(
    ("scheduler", "calls"),
    [
        ("pbs", [f"qselect -u {{user}} -N end.{TOKEN}", "qdel 12.pbs01 13.pbs01"]),
        ("lsf", [f"bkill -J end.{TOKEN} 0"]),
    ],
)
def test_all_jobs_after_the_job_are_dismissed_by_their_name(
    scheduler: str, calls: list[str], shell: Shell
) -> None:
    program(shell, "qselect", "echo 12.pbs01; echo 13.pbs01")
    program(shell, "qdel", "")
    program(shell, "bkill", "")

    shell("dismiss_watcher", scheduler=scheduler)
    assert not shell.log.exists()
    (shell.job / "RELION_JOB_EXIT_SUCCESS").touch()
    shell("dismiss_watcher", scheduler=scheduler)

    user = shell.says("id -un")
    assert shell.log.read_text().splitlines() == [each.format(user=user) for each in calls]


@pytest.mark.parametrize("scheduler", ["pbs", "lsf"])
def test_a_session_that_no_daemon_has_made_is_not_the_jobs(scheduler: str, shell: Shell) -> None:
    """tests/programs/queues has one that a daemon made."""
    code = "find_session; dispatch_session=$(ps -o sid= -p $$ | tr -d ' ')"

    assert shell.says(f"{code}; scheduler_made_session || echo no", scheduler=scheduler) == "no"


def test_lsf_is_asked_without_variables_that_change_its_answers(shell: Shell) -> None:
    names = dict.fromkeys(["LSB_BJOBS_FORMAT", "BSUB_QUIET", "LSB_JOBID"], "x")

    code = "forget_scheduler_options; env | grep -E '^(LSB|BSUB)_' | cut -d= -f1"
    assert shell.says(code, scheduler="lsf", **names) == "LSB_JOBID"


@pytest.mark.parametrize(
    ("scheduler", "line"),
    [
        ("pbs", "=>> PBS: job killed: walltime 10 exceeded limit 5"),
        ("lsf", "TERM_RUNLIMIT: job killed"),
    ],
)
def test_a_line_that_ends_a_job_is_known(scheduler: str, line: str, shell: Shell) -> None:
    (shell.project / "lines").write_text(f"{line}\nrelion_refine: error\n")

    code = (
        'grep -E "^($(scheduler_that_ends_jobs))" lines; grep -cE "^($(scheduler_programs)):" lines'
    )
    assert shell.says(code, scheduler=scheduler).splitlines()[0] == line
