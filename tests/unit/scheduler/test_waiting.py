"""Why a job waits: the schedulers' reasons in plain words, and since when."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dispatcher.config.scheduler import Scheduler
from dispatcher.config.site import load_site
from dispatcher.scheduler.answers import read_jobs
from dispatcher.scheduler.calls import ask_wait
from dispatcher.scheduler.dialect import dialect
from dispatcher.scheduler.waiting import in_plain_words, read_reasons

from ...fixture_types import WriteSite

# Slurm's are those of src/common/job_state_reason.c (26.11), PBS's of src/scheduler/job_info.cpp.
SAYS = [
    ("slurm", "Priority", "other jobs with a higher priority come first"),
    ("slurm", "Resources", "is in use by other jobs"),
    ("slurm", "None", "has not looked at it yet"),
    ("slurm", "AssocGrpGRES", "use all the GPUs that they may have at once"),
    ("slurm", "AssocGrpGRESMinutes", "used up its share of computing time"),
    ("slurm", "MaxGRESPerAccount", "use all the GPUs that they may have at once"),
    ("slurm", "AssocGrpCpuLimit", "the jobs of its account use all that they may have"),
    ("slurm", "AssocMaxJobsLimit", "as many jobs of its account run"),
    ("slurm", "AssocMaxGRESPerJob", "more GPUs than a job of its account may have, so it never"),
    ("slurm", "QOSMaxGRESPerUser", "your jobs use all the GPUs"),
    ("slurm", "QOSMaxMemoryPerUser", "your jobs use all that one user may have"),
    ("slurm", "QOSMaxWallDurationPerJobLimit", "asks for more time"),
    ("slurm", "QOSMinGRES", "asks for less than a job of its quality of service must"),
    ("slurm", "InvalidQOS", "a rule on its account"),
    ("slurm", "JobHeldUser", "let it go with `scontrol release 4711`"),
    ("slurm", "JobHeldAdmin", "an admin holds it"),
    ("slurm", "launch failed requeued held", "could not be started, and is held"),
    ("slurm", "PartitionTimeLimit", "more time than its partition allows, so it never starts"),
    ("slurm", "PartitionDown", "its partition is closed"),
    ("slurm", "ReqNodeNotAvail, UnavailableNodes:node3", "or reserved (node3): it starts"),
    ("slurm", "ReqNodeNotAvail, Reserved for maintenance", "a shorter time if you cannot wait"),
    ("slurm", "ReqNodeNotAvail", "nodes that it could use are down"),
    ("slurm", "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority "
     "partitions", "reserved for jobs of a higher priority"),
    ("slurm", "DependencyNeverSatisfied", "so it never starts"),
    ("slurm", "Dependency", "when another job has ended"),
    ("pbs", "Can Never Run: Insufficient amount of resource: ncpus (R: 99 A: 16 T: 16)",
     "so it never starts"),
    ("pbs", "Not Running: Insufficient amount of resource: ngpus (R: 4 A: 0 T: 8)", "the GPUs"),
    ("pbs", "Not Running: Insufficient amount of queue resource: mem", "in use by other jobs"),
    ("pbs", "Not Running: User has reached queue gpu running job limit.", "your jobs use all"),
    ("pbs", "Not Running: would exceed user ada's limit on resource ngpus in queue gpu",
     "your jobs use all"),
    ("pbs", "Not Running: would exceed group em's limit on resource ngpus in complex",
     "the jobs of your group"),
    ("pbs", "Not Running: Queue gpu job limit has been reached.", "as many jobs run in the queue"),
    ("pbs", "Not Running: Job would conflict with reservation or top job", "higher priority"),
    ("pbs", "Not Running: Queue not started.", "its queue is closed"),
    ("pbs", "Job held by ada on Sat Nov 28 22:25:59 2026", "`qrls 4711`"),
    ("gridengine", "in error: qstat -j tells why", "`qmod -cj 4711`"),
    ("gridengine", 'queue instance "gpu.q@n1" dropped because it is full', "are in use"),
    ("gridengine", '(-l gpu=2) cannot run at host "n1" because it offers only hc:gpu=0.000000',
     "are in use"),
    ("gridengine", "Job is in hold state", "`qrls 4711`"),
    ("gridengine", "job dropped because of job dependencies", "when another job has ended"),
    ("lsf", "New job is waiting for scheduling;", "has not looked at it yet"),
    ("lsf", "Not enough job slot(s): 10 hosts;", "in use by other jobs"),
    ("lsf", "Not enough GPUs: 3 hosts;", "the GPUs that it asks for"),
    ("lsf", "The user has reached his/her job slot limit;", "use all that they may have"),
    ("lsf", "The job was suspended by the user while pending;", "`bresume 4711`"),
    ("lsf", "The job was suspended by LSF admin or root while pending;", "an admin holds it"),
    ("lsf", "The queue is inactivated by the administrator;", "its queue is closed"),
]  # fmt: skip
SHIPPED = ["slurm", "pbs", "gridengine", "lsf"]


def scheduler(name: str) -> Scheduler:
    return load_site().schedulers[name]


@pytest.mark.parametrize(("name", "reason", "says"), SAYS, ids=lambda each: str(each)[:40])
def test_a_reason_in_plain_words(name: str, reason: str, says: str) -> None:
    assert says in str(in_plain_words(scheduler(name), reason, "4711"))


@pytest.mark.parametrize("name", SHIPPED)
def test_a_reason_that_nobody_knows_is_left_to_the_scheduler(name: str) -> None:
    assert in_plain_words(scheduler(name), "TheMoonIsFull", "1") is None


@pytest.mark.parametrize("name", SHIPPED)
def test_no_words_have_a_place_that_nothing_fills(name: str) -> None:
    for pattern, says in scheduler(name).waits.items():
        places = {"job_id", *re.compile(pattern).groupindex}
        assert set(re.findall(r"{(\w+)}", says)) <= places, pattern


def test_a_site_says_it_in_its_own_words(site: WriteSite) -> None:
    own = {"^Priority": "write to the help desk", "^OurRule": "the desk decides on {job_id}"}
    site("schedulers/slurm.json", {"waits": own})

    assert in_plain_words(scheduler("slurm"), "Priority", "1") == "write to the help desk"
    assert in_plain_words(scheduler("slurm"), "OurRule", "1") == "the desk decides on 1"
    assert in_plain_words(scheduler("slurm"), "Resources", "1")


WAITING = "13|PENDING||Priority|0:00 2026-11-28T22:24:25|relion-dispatch:0123456789b1\n"


def test_the_queue_says_since_when() -> None:
    (job,) = read_jobs(scheduler("slurm"), WAITING)

    assert (job.time, job.since, job.token) == ("0:00", "2026-11-28T22:24:25", "0123456789b1")


def test_a_sites_own_queue_command_without_the_time_is_read_by_the_shipped_pattern() -> None:
    row = "13|RUNNING|n1|None|1-01:02:03|relion-dispatch:0123456789b1\n"

    (job,) = read_jobs(scheduler("slurm"), row)

    assert (job.time, job.since, job.token) == ("1-01:02:03", "", "0123456789b1")


def test_a_sites_own_pattern_reads_what_the_shipped_command_prints(site: WriteSite) -> None:
    """The pattern that was shipped up to 0.2.0."""
    pattern = (
        r"^(?P<id>\d+)\|(?P<state>\w+)\|(?P<node>[^|]*)\|(?P<reason>[^|]*)\|(?P<time>[^|]*)\|"
        r"(?:relion-dispatch:(?P<token>[0-9a-f]{12})$)?"
    )
    site("schedulers/slurm.json", {"queue_pattern": pattern})

    (job,) = read_jobs(scheduler("slurm"), WAITING)

    assert (job.job_id, job.state, job.token) == ("13", "PENDING", "0123456789b1")


@pytest.mark.parametrize(
    ("printed", "since"),
    [("Nov 28 22:24:25 2026", "2026-11-28T22:24:25"), ("-", ""), ("soon", ""), ("", "")],
)
def test_since_when_in_lsf(printed: str, since: str) -> None:
    record = {"JOBID": "7", "STAT": "PEND", "PEND_REASON": "x", "SUBMIT_TIME": printed}
    lsf = scheduler("lsf")

    (job,) = dialect(lsf).read_jobs(lsf, json.dumps({"RECORDS": [record]})) or ()

    assert job.since == since


def test_a_time_without_its_year_is_none_to_come() -> None:
    before = datetime.now().replace(second=0, microsecond=0) - timedelta(hours=30)
    record = {"JOBID": "7", "STAT": "PEND", "SUBMIT_TIME": before.strftime("%b %d %H:%M")}
    lsf = scheduler("lsf")

    (job,) = dialect(lsf).read_jobs(lsf, json.dumps({"RECORDS": [record]})) or ()

    assert job.since == before.isoformat()


QSTAT_J = """==============================================================
job_number:                 8
owner:                      ada
error reason    1:          11/28/2026 22:24:25 [1000:77]: can't open output file
scheduling info:            queue instance "gpu.q@n1" dropped because it is full
                            queue instance "gpu.q@n2" dropped because it is full
                            queue instance "gpu.q@n3" dropped because it is full
                            cannot run in PE "smp" because it only offers 0 slots
"""


def test_one_jobs_reasons_are_asked_for(tmp_path: Path) -> None:
    gridengine = scheduler("gridengine")
    off = "scheduling info:            (Collecting of scheduler job information is turned off)\n"

    said = read_reasons(gridengine, QSTAT_J)

    assert said == (
        "11/28/2026 22:24:25 [1000:77]: can't open output file; "
        'queue instance "gpu.q@n1" dropped because it is full; '
        'queue instance "gpu.q@n2" dropped because it is full; and 2 more reasons'
    )
    assert read_reasons(gridengine, off) == ""
    asked = Scheduler(
        submit_command=["x"],
        wait_command=["echo", "why: {job_id}"],
        wait_pattern="why: (?P<reason>.*)",
    )
    assert ask_wait(asked, "8", tmp_path) == "8"
    assert ask_wait(Scheduler(submit_command=["x"]), "8", tmp_path) == ""
