"""What the queue's answers say: recorded ones of Slurm, and those of this machine's own ps."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from dispatcher.config.scheduler import Scheduler
from dispatcher.config.site import load_site
from dispatcher.host.programs import Finished
from dispatcher.scheduler.answers import Queue, QueuedJob, read_answer, read_end, read_jobs
from dispatcher.scheduler.calls import ask_end, ask_queue
from dispatcher.scheduler.clusters import options_in, where_is

from ...fixture_types import WriteSite
from ...programs.accounting_rows import ACCOUNTING_ROWS
from ...waiting import wait_for, wait_for_arguments

DATA = Path(__file__).parents[2] / "data" / "slurm"


@pytest.fixture
def slurm() -> Scheduler:
    """The scheduler `slurm` as shipped."""
    return load_site().schedulers["slurm"]


def read_queue(scheduler: Scheduler, printed: str) -> Queue:
    return Queue(scheduler, tuple(read_jobs(scheduler, printed)))


def test_the_queue_has_the_jobs_with_a_token(slurm: Scheduler) -> None:
    queue = read_queue(slurm, (DATA / "squeue.txt").read_text())

    ours = [job for job in queue.jobs if job.token]
    assert [job.job_id for job in ours] == ["1", "2", "3", "4", "12", "13"]
    assert queue.job("0123456789b0") == QueuedJob(
        "12", "TIMEOUT", "0123456789b0", "gpu1", "TimeLimit", "1:24"
    )
    waiting = queue.job("0123456789b1")
    assert waiting
    assert (waiting.node, waiting.reason) == ("", "BeginTime")
    assert queue.is_pending(waiting)
    assert queue.job("ffffffffffff") is None
    over = {job.job_id for job in ours if queue.has_ended(job)}
    assert over == {"1", "2", "3", "4", "12"}


def test_of_two_jobs_with_one_token_the_living_one_counts(slurm: Scheduler) -> None:
    rows = "7|CANCELLED|n|None|0:01|relion-dispatch:0123456789ab\n"
    rows += "8|RUNNING|n|None|0:01|relion-dispatch:0123456789ab\n"

    found = read_queue(slurm, rows).job("0123456789ab")

    assert found
    assert found.job_id == "8"


@pytest.mark.parametrize("comment", ["(null)", "of the portal", "relion-dispatch:0123456789ab; x"])
def test_a_job_whose_comment_was_changed_is_found_by_its_id(comment: str, slurm: Scheduler) -> None:
    rows = f"7|RUNNING|n|None|0:01|{comment}\n8|RUNNING|n|None|0:01|relion-dispatch:ffffffffffff\n"
    queue = read_queue(slurm, rows)

    assert [job.job_id for job in queue.living("0123456789ab", "7")] == ["7"]
    assert queue.job("0123456789ab") is None
    assert queue.job("0123456789ab", "8") is None, "that is another job of ours"


def test_a_users_variables_hide_no_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQUEUE_PARTITION", "another")
    command = ["sh", "-c", 'echo "7 RUNNING ${SQUEUE_PARTITION-0123456789ab}"']
    pattern = r"(?P<id>\d+) (?P<state>\w+) (?P<token>\w+)"
    scheduler = Scheduler(
        submit_command=["true"],
        queue_command=command,
        queue_pattern=pattern,
        ended=["OVER"],
        overriding=["SQUEUE_"],
    )

    queue = ask_queue(scheduler, tmp_path)

    assert queue
    assert queue.living("0123456789ab")


def test_a_running_process_is_found_by_its_token_and_no_other(tmp_path: Path) -> None:
    """`local` asks this machine's own ps."""
    local = load_site().schedulers["local"]
    token, other = secrets.token_hex(6), secrets.token_hex(6)  # other tests may run beside this one
    (tmp_path / "Refine3D/job001").mkdir(parents=True)
    script = tmp_path / "Refine3D/job001/run_submit.script.run"
    script.write_text("(sleep 30) & wait\n")
    job = subprocess.Popen(
        ["bash", "Refine3D/job001/run_submit.script.run", token],
        cwd=tmp_path,
        start_new_session=True,
    )
    try:
        wait_for_arguments(job.pid, token)
        running = found(local, token, tmp_path)
        assert running
        assert (running.job_id, running.state in local.ended) == (str(job.pid), False)
        assert found(local, other, tmp_path) is None
    finally:
        subprocess.run(["pkill", "-KILL", "-s", str(job.pid)])
        job.wait()
    # The subshell has the script's arguments too, and it may end a moment after the script.
    wait_for(lambda: not found(local, token, tmp_path), what="the end of its subshell")


def found(scheduler: Scheduler, token: str, project: Path) -> QueuedJob | None:
    """The job with this token; fails if the scheduler does not answer."""
    queue = ask_queue(scheduler, project)
    assert queue
    return queue.job(token)


@pytest.mark.parametrize(
    "command", [["/no/such/program"], ["false"], ["sleep", "30"], []], ids=lambda each: str(each)
)
def test_a_queue_that_does_not_answer_is_no_empty_queue(command: list[str], tmp_path: Path) -> None:
    scheduler = Scheduler(submit_command=["true"], queue_command=command, timeout=0.2)

    assert ask_queue(scheduler, tmp_path) is None


@pytest.mark.parametrize(
    ("name", "says", "facts"),
    [
        ("timeout", "time limit", "JobState=TIMEOUT, Reason=TimeLimit, ExitCode=0:15, "
         "RunTime=00:01:24, NodeList=gpu1"),
        ("killed", "signal KILL", "JobState=FAILED, Reason=JobLaunchFailure, ExitCode=0:9, "
         "RunTime=00:00:02, NodeList=gpu1"),
        ("node_fail", "node was lost", "NodeList=gpu2"),
        ("cancelled", "cancelled in the queue", "JobState=CANCELLED"),
        ("out_of_memory", "more memory than it had asked for", "JobState=OUT_OF_MEMORY"),
    ],
)  # fmt: skip
def test_why_a_job_ended(name: str, says: str, facts: str, slurm: Scheduler) -> None:
    sentence = read_end(slurm, (DATA / f"{name}.txt").read_text())

    assert sentence
    assert says in sentence
    assert facts in sentence
    assert sentence.endswith(")")


def test_why_a_job_ended_that_nobody_knows(slurm: Scheduler) -> None:
    assert (read_end(slurm, "") or "").startswith("it was killed, or its node was lost: ")


def test_a_job_that_the_scheduler_calls_running_has_not_ended(slurm: Scheduler) -> None:
    assert read_end(slurm, "JobId=17 JobState=RUNNING Reason=None ExitCode=0:0") is None


@pytest.mark.parametrize(
    ("status", "stdout", "stderr", "outcome", "job_id"),
    [
        (0, "17\n", "", "taken", "17"),
        (0, "17;cluster\n", "sbatch: warning: 3 nodes are slow\n", "taken", "17"),
        (0, "a site's greeting of 9 words\n17\n", "", "taken", "17"),
        (0, "Submitted batch job 17\n", "", "taken", "17"),
        (0, "17\r\n", "", "taken", "17"),
        (0, "\x1b[32mSubmitted batch job 17\x1b[0m\n", "", "taken", "17"),
        (
            0,
            "sbatch: Submitted batch job 17 on cluster gpuland\nYour balance:\n",
            "",
            "taken",
            "17",
        ),
        (0, "Cores free: 96\n17;gpuland\n", "", "taken", "17"),
        (0, "17\n\n17\n", "", "taken", "17"),
        (0, "2026\nSubmitted batch job 17\n", "", "taken", None),
        (0, "Job 17 eingereicht\n", "", "taken", None),
        (0, "17;a b\n", "", "taken", None),
        (0, "-17\n", "", "taken", None),
        (0, "", "sbatch: error: something", "taken", None),
        (1, "", "sbatch_timed_out", "unclear", None),
        (1, "", "sbatch_no_controller", "unclear", None),
        (1, "", "sbatch_no_database", "unclear", None),
        (1, "", "sbatch_no_such_cluster", "refused", None),
        (1, "", "sbatch_no_such_nodes", "refused", None),
        (1, "", "sbatch_no_such_partition", "refused", None),
        (1, "", "", "refused", None),
        (1, "a greeting " * 50, "sbatch_timed_out", "unclear", None),
        (-9, "", "", "unclear", None),
    ],
)
def test_what_the_submit_command_says(
    status: int, stdout: str, stderr: str, outcome: str, job_id: str | None, slurm: Scheduler
) -> None:
    recorded = DATA / f"{stderr}.txt"
    said = recorded.read_text() if stderr and recorded.exists() else stderr

    answer = read_answer(slurm, "sbatch", Finished(status, stdout, said))

    assert (answer.outcome, answer.job_id) == (outcome, job_id)
    assert " ".join((stdout + said).split())[:400] in answer.sentence or outcome == "taken"


@pytest.mark.parametrize(("row", "says", "state"), ACCOUNTING_ROWS)
def test_accounting_tells_the_end_of_a_job_that_the_scheduler_has_forgotten(
    row: str, says: str | None, state: str, slurm: Scheduler, tmp_path: Path
) -> None:
    columns = 'echo "$@" > asked; echo a greeting; echo "$ROW"'
    asking = replace(
        slurm,
        end_command=["sh", "-c", "echo Invalid job id specified >&2; exit 1"],
        accounting_command=[
            *("env", f"ROW={row}", "sh", "-c", columns, "sh", "{job_id}", "{since}"),
        ],
    )

    assert ask_end(asking, "17", tmp_path, ("--clusters=far",), 1e9) == says
    a_day_before = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(1e9 - 86400))
    assert (tmp_path / "asked").read_text() == f"17 {a_day_before} --clusters=far\n"


def test_accounting_is_asked_only_if_the_scheduler_does_not_know_the_job(
    slurm: Scheduler, tmp_path: Path
) -> None:
    accounting = ["sh", "-c", "touch asked; echo '17|FAILED|1:0|None|00:01|n1'"]
    knows = replace(slurm, end_command=["echo", "JobState=TIMEOUT"], accounting_command=accounting)
    knows_nothing = replace(
        slurm, end_command=["false"], accounting_command=["sh", "-c", "echo is disabled; exit 1"]
    )

    assert "time limit" in str(ask_end(knows, "17", tmp_path))
    assert not (tmp_path / "asked").exists()
    assert str(ask_end(knows_nothing, "17", tmp_path)).startswith("it was killed, or its node was")


def test_nothing_is_asked_of_an_id_that_several_clusters_may_have(
    slurm: Scheduler, tmp_path: Path
) -> None:
    asking = replace(slurm, end_command=["touch", "asked"], accounting_command=["touch", "asked"])

    assert "it was killed" in str(ask_end(asking, "17", tmp_path, ("--clusters=a,b",)))
    assert not (tmp_path / "asked").exists()


@pytest.mark.parametrize("state", ["EXPEDITING", "REQUEUE_FED", "REQUEUED"])
def test_a_job_that_slurm_will_start_again_waits(state: str, slurm: Scheduler) -> None:
    queue = read_queue(slurm, f"7|{state}|n|None|0:01|relion-dispatch:0123456789ab\n")

    assert queue.is_pending(queue.jobs[0])
    assert read_end(slurm, f"JobId=7 JobState={state} Reason=None ExitCode=0:0") is None


def test_a_job_that_runs_on_a_sibling_cluster_has_not_ended(slurm: Scheduler) -> None:
    """As squeue --sibling printed it in a federation, of a job that runs there."""
    token = "0123456789ab"
    rows = f"67108872|REVOKED||None|0:00|relion-dispatch:{token}\n"
    queue = read_queue(slurm, f"{rows}67108872|RUNNING|gpu1|None|0:04|relion-dispatch:{token}\n")

    assert [job.state for job in queue.living(token)] == ["RUNNING"]
    assert queue.job(token) == queue.living(token)[0]


@pytest.mark.parametrize(
    ("stdout", "cluster"),
    [
        ("17\n", None),
        ("17;gpu-land.2\n", "gpu-land.2"),
        ("Submitted batch job 17 on cluster gpuland\n", "gpuland"),
        ("Submitted batch job 17\n", None),
    ],
)
def test_the_answer_names_the_cluster(stdout: str, cluster: str | None, slurm: Scheduler) -> None:
    answer = read_answer(slurm, "sbatch", Finished(0, stdout, ""))

    assert (answer.job_id, answer.cluster) == ("17", cluster)


@pytest.mark.parametrize(
    ("pattern", "stdout", "job_id"),
    [
        (r"(\d+)", "Job 17 goes to queue 2\n", "17"),
        (None, "Job 17 goes to queue 2\n", "17"),
        (r"job (\d+)", "of 2026\njob 17, job 18\n", "17"),
        (r"(?:Job|No\.) (?P<id>\d+)", "No. 17\n", "17"),
    ],
)
def test_of_a_line_the_first_number_that_the_pattern_reads_is_the_id(
    pattern: str | None, stdout: str, job_id: str
) -> None:
    scheduler = Scheduler(
        submit_command=["x"], job_id=pattern, queue_command=["y"], mark=["{token}"]
    )

    assert read_answer(scheduler, "x", Finished(0, stdout, "")).job_id == job_id


def test_without_a_queue_that_could_tell_the_first_line_holds() -> None:
    scheduler = Scheduler(submit_command=["x"], job_id=r"^(\d+)$")

    assert read_answer(scheduler, "x", Finished(0, "17\n18\n", "")).job_id == "17"


def test_the_queue_tells_the_cluster_of_each_job(slurm: Scheduler) -> None:
    head = "JOBID|STATE|NODELIST|REASON|TIME|COMMENT"
    row = "17|RUNNING|n1|None|0:01|relion-dispatch:0123456789a"
    printed = f"CLUSTER: here\n{head}\n{row}a\n\nCLUSTER: gpuland\n{head}\n{row}b\n"

    queue = read_queue(slurm, printed)

    jobs = [queue.job(f"0123456789a{last}", "17") for last in "ab"]
    assert [job and job.cluster for job in jobs] == ["here", "gpuland"]
    assert jobs[1]
    assert queue.where_is(jobs[1]) == ("--clusters=gpuland",)
    assert [job.cluster for job in read_queue(slurm, f"{head}\n{row}a\n").jobs] == [""]


@pytest.mark.parametrize(
    ("command", "where"),
    [
        (["sbatch", "--parsable"], ()),
        (["sbatch", "--clusters=gpuland", "--parsable"], ("--clusters=gpuland",)),
        (["sbatch", "--parsable", "-M", "gpuland", "job.sh"], ("-M", "gpuland")),
        (["/opt/sbatch", "-Mgpuland"], ("-Mgpuland",)),
        (["sbatch", "--cluster", "a,b", "--parsable"], ("--cluster", "a,b")),
        (["sbatch", "--cluster-constraint=x", "job.sh"], ()),
        (["sbatch", "-M"], ("-M",)),
    ],
)
def test_what_leads_the_submit_command_to_a_cluster_leads_the_others(
    command: list[str], where: tuple[str, ...], slurm: Scheduler
) -> None:
    assert options_in(slurm, command) == where
    assert where_is(slurm, None, command) == where
    assert where_is(slurm, "far", command) == ("--clusters=far",)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"queue_pattern": "(?P<id>x)(?P<state>y)"}, "needs a group (?P<token>…)"),
        ({"queue_pattern": "("}, "schedulers.slurm.queue_pattern"),
        ({"transient": ["fine", "("]}, "schedulers.slurm.transient.1"),
        ({"watcher": {"submit_command": []}}, "schedulers.slurm.watcher.submit_command"),
        ({"watcher": {"command": ["x"]}}, "unknown key"),
    ],
)
def test_mistakes_in_a_scheduler_are_named(
    keys: dict[str, object], says: str, site: WriteSite
) -> None:
    from dispatcher.errors import ConfigError

    site("site.json", {"schedulers": {"slurm": keys}})

    with pytest.raises(ConfigError) as caught:
        load_site()

    assert says in str(caught.value)


def test_python_is_not_taken_for_a_job() -> None:
    local = load_site().schedulers["local"]
    row = f" 17 Ss 00:07 {sys.executable} -m pytest run_submit.script.run\n"

    assert read_queue(local, row).jobs == ()
