"""What Grid Engine answers is read: its XML, its ids, and what its accounting says of an end.

The answers are those of 8.1.9 on the test cluster, but for names.
"""

from __future__ import annotations

import os
import re
import subprocess
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.config.scheduler import Scheduler, filled
from dispatcher.host.programs import Finished
from dispatcher.scheduler.answers import Queue, QueuedJob
from dispatcher.scheduler.dialect import dialect

HEAD = """<?xml version='1.0'?>
<job_info  xmlns:xsd="http://arc.liv.ac.uk/repos/darcs/sge/source/dist/util/resources/schemas/qstat/qstat.xsd">
  <queue_info>
"""
RUNNING = """    <job_list state="running">
      <JB_job_number>7</JB_job_number>
      <JAT_prio>0.50000</JAT_prio>
      <JB_name>Refine3D.job019.0123456789ab</JB_name>
      <JB_owner>ada</JB_owner>
      <state>r</state>
      <JAT_start_time>{began}</JAT_start_time>
      <queue_name>gpu.q@n1.example</queue_name>
      <slots>3</slots>
    </job_list>
"""
PENDING = """    <job_list state="pending">
      <JB_job_number>{number}</JB_job_number>
      <JAT_prio>0.00000</JAT_prio>
      <JB_name>{name}</JB_name>
      <JB_owner>ada</JB_owner>
      <state>{state}</state>
      <JB_submission_time>2026-11-28T21:37:17</JB_submission_time>
      <queue_name></queue_name>
      <slots>1</slots>
    </job_list>
"""
MIDDLE, TAIL = "  </queue_info>\n  <job_info>\n", "  </job_info>\n</job_info>\n"


@pytest.fixture
def scheduler(own_folders: None) -> Scheduler:
    """The shipped one."""
    return load_configuration().site.schedulers["gridengine"]


def jobs(scheduler: Scheduler, printed: str) -> list[QueuedJob] | None:
    read = dialect(scheduler).read_jobs(scheduler, printed)
    return None if read is None else list(read)


def test_the_queues_xml_is_read(scheduler: Scheduler) -> None:
    began = (datetime.now() - timedelta(hours=30, minutes=2)).strftime("%FT%T")
    waiting = PENDING.format(number=8, name="Class3D.job020.ba9876543210", state="qw")
    watcher = PENDING.format(number=9, name="end_of_Class3D.job020", state="hqw")

    found = jobs(scheduler, HEAD + RUNNING.format(began=began) + MIDDLE + waiting + watcher + TAIL)

    assert found is not None
    assert found[0][:4] == ("7", "r", "0123456789ab", "n1.example")
    assert found[0].time.startswith("30:02:")
    assert found[1] == QueuedJob("8", "qw", "ba9876543210", since="2026-11-28T21:37:17")
    assert found[2] == QueuedJob("9", "hqw", "", since="2026-11-28T21:37:17")
    queue = Queue(scheduler, tuple(found))
    assert [queue.is_pending(each) for each in found] == [False, True, True]
    assert not any(queue.has_ended(each) for each in found)


def test_a_job_in_error_waits_and_says_so(scheduler: Scheduler) -> None:
    text = PENDING.format(number=8, name="x&amp;y.0123456789ab", state="Eqw")

    found = jobs(scheduler, HEAD + MIDDLE + text + TAIL)

    assert found
    assert found[0][:3] == ("8", "Eqw", "0123456789ab")
    assert found[0].reason == "in error: qstat -j tells why"
    assert Queue(scheduler, tuple(found)).is_pending(found[0])


@pytest.mark.parametrize(
    "printed", ["", HEAD + RUNNING.format(began="2026-11-28T21:35:17"), "error: commlib error\n"]
)
def test_an_answer_that_breaks_off_is_none(printed: str, scheduler: Scheduler) -> None:
    """Or the jobs that are missing there would seem to be lost."""
    assert jobs(scheduler, printed) is None


def test_an_empty_queue_is_an_answer(scheduler: Scheduler) -> None:
    assert jobs(scheduler, HEAD + MIDDLE + TAIL) == []


@pytest.mark.parametrize(
    ("printed", "job_id"),
    [
        ("4711\n", "4711"),
        ("Your project has used 120 of\n500\nGPU hours\n4711\n", "4711"),
        ("4711.1-10:1\n", "4711"),
    ],
)
def test_the_last_number_is_the_job(printed: str, job_id: str, scheduler: Scheduler) -> None:
    """A site's own checks (JSV) may print text before it."""
    answer = dialect(scheduler).read_answer(scheduler, "qsub", Finished(0, printed, ""))

    assert (answer.outcome, answer.job_id) == ("taken", job_id)


@pytest.mark.parametrize(
    ("printed", "outcome"),
    [
        ("error: commlib error: got select error (Connection refused)\nUnable to run job: unable "
         'to send message to qmaster using port 6444 on host "m": got send error\n', "unclear"),
        ("Unable to run job: job rejected: only 1 jobs are allowed per user (current job count: "
         "2)\nExiting.\n", "unclear"),
        ("Unable to run job: job rejected: only 1 jobs are allowed per cluster\nExiting.\n",
         "unclear"),
        ("Unable to run job: error: no suitable queues\nExiting.\n", "refused"),
        ('Unable to run job: job rejected: the requested parallel environment "x" does not exist\n'
         "Exiting.\n", "refused"),
        ('Unable to run job: denied: host "n1" is no submit host\nExiting.\n', "refused"),
    ],
)  # fmt: skip
def test_a_refusal_is_told_from_what_passes(
    printed: str, outcome: str, scheduler: Scheduler
) -> None:
    answer = dialect(scheduler).read_answer(scheduler, "qsub", Finished(1, "", printed))

    assert (answer.outcome, answer.job_id) == (outcome, None)


ACCOUNTED = """==============================================================
qname        gpu.q               
hostname     n1                  
jobnumber    7                   
failed       {failed}
exit_status  {status}
ru_wallclock {seconds}s
maxvmem      41.200GB
category     -q gpu.q -l gpu=2,h_rt=3600,ram=1366M -pe smp 3
"""  # noqa: W291


def ask_end(scheduler: Scheduler, tmp_path: Path, qstat: str, qacct: str | None) -> str | None:
    """What is understood of the end, by what the end command makes of these answers."""
    for name, text, status in (
        ("qstat", qstat, 0 if qstat else 1),
        ("qacct", qacct or "", 0 if qacct is not None else 1),
        ("sleep", "", 0),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\ncat <<'END'\n{text}END\nexit {status}\n")
        (tmp_path / name).chmod(0o755)
    said = subprocess.run(
        filled(scheduler.end_command, job_id="7"),
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stderr == ""
    return dialect(scheduler).read_end(scheduler, said.stdout)


@pytest.mark.parametrize(
    ("failed", "status", "seconds", "says"),
    [
        ("100 : assumedly after job", "137      (Killed)", 14, "it was killed (signal KILL): it "),
        ("100 : assumedly after job", "137      (Killed)", 3601, "it reached its time limit"),
        ("37  : qmaster enforced h_rt, h_cpu, or h_vmem limit", "137", 50, "it reached its time"),
        ("0    ", "0                   ", 14, "its script could not write"),
        ("0    ", "1                   ", 14, "its script failed"),
        ("19  : before writing exit_status", "0", 0, "its node was lost"),
        ("26  : opening input/output file", "0", 0, "the scheduler could not start it"),
        ("1   : assumedly before job", "0", 0, "the scheduler could not start it"),
    ],
)  # fmt: skip
def test_the_accounting_tells_the_end(
    failed: str, status: str, seconds: int, says: str, scheduler: Scheduler, tmp_path: Path
) -> None:
    text = ACCOUNTED.format(failed=failed, status=status, seconds=seconds)

    said = ask_end(scheduler, tmp_path, "", text)

    assert said and said.startswith(says)
    assert re.search(
        r"\(failed=\d+, exit_status=\d+, ru_wallclock=\d+s, maxvmem=41.200GB, host", said
    )


def test_of_several_accounts_of_an_id_the_last_counts(scheduler: Scheduler, tmp_path: Path) -> None:
    """Ids begin again at 1 after 9,999,999."""
    old = ACCOUNTED.format(failed="100 : assumedly after job", status="137", seconds=9)
    new = ACCOUNTED.format(failed="0", status="1", seconds=9)

    said = ask_end(scheduler, tmp_path, "", old + new)

    assert said and said.startswith("its script failed")


def test_a_job_that_the_queue_has_has_not_ended(scheduler: Scheduler, tmp_path: Path) -> None:
    assert ask_end(scheduler, tmp_path, "job_number:                 7\n", ACCOUNTED) is None


def test_a_job_without_an_account_was_deleted_before_it_ran(
    scheduler: Scheduler, tmp_path: Path
) -> None:
    assert ask_end(scheduler, tmp_path, "", None) == scheduler.unknown_end
    assert "deleted before it ran" in scheduler.unknown_end
