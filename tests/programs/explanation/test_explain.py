"""``relion-dispatch explain`` of jobs that wait, run, have ended, were refused or not submitted."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dispatcher.jobs.record import RECORD

from ...fixture_types import WriteSite
from ..hook_calls import call_hook
from ..stand_in_scheduler import StandIn, record_of
from .explained import JOB, Explain

RUN = """\
token {token}
started 2026-11-28T05:11:14+00:00
ended 2026-11-28T07:13:47+00:00
host gpu3
scheduler_job_id 17
exit_status {status}
ending {ending}
{reason}
gpu gpu3 GPU-a 900 49123000000 87 2 48452393764
gpu gpu3 GPU-b 900 48000000000 81 2 48452393764
"""


def submit(script: Path, **environment: str) -> str:
    """Submit the job; returns its token."""
    done = call_hook(script, **environment)
    assert done.returncode == 0, (script.parent / "run.err").read_text()
    return str(record_of(script.parent)["token"])


def end(script: Path, ending: str, reason: str = "") -> None:
    """The job's script tells the end."""
    folder, token = script.parent, str(record_of(script.parent)["token"])
    status = 0 if ending == "SUCCESS" else 1
    said = f"reason {reason}" if reason else ""
    text = RUN.format(token=token, status=status, ending=ending, reason=said)
    (folder / f"dispatch.run.{token}").write_text(text)
    (folder / f"RELION_JOB_EXIT_{ending}").touch()


@pytest.mark.usefixtures("slurm")
def test_a_job_that_was_not_submitted_is_planned_now(script: Path, explain: Explain) -> None:
    before = sorted(script.parent.iterdir())

    found = explain(script)

    assert found.status == 0
    assert found["State"].startswith("Not submitted. ")
    assert found["Basis"] == "This is the plan of now: the job has not been submitted."
    assert found["Type"].startswith(
        "refine (submit → gpu → refine), which takes relion_refine --auto_refine "
        "Not initialmodel (no denovo_3dref); class2d_vdam (no grad); "
    )
    assert "; class3d, class2d (no K); " in found["Type"]
    assert found["Ranks"].startswith("9 ranks x 7 threads on 4 GPUs, shared through MPS. ")
    assert found["Ranks"].endswith(
        "Not 13 ranks (3 on each GPU): 3 ranks on a GPU need a card of 73.1 GiB (4 threads each), "
        "not of 48.0 GiB; 13 ranks need 536.5 GiB of host memory, and a node has 500.0 GiB."
    )
    assert found["GPU memory"].startswith("2 ranks x 22.6 GiB on each GPU. A rank needs 22.6 GiB")
    assert found["Host memory"].startswith("399G asked for, 398.4 GiB needed. ")
    assert found["Image"].startswith("relion 5.1.0 (cuda): the site's default. /")
    assert found["Partition"].startswith("new (scheduler slurm): a node has 64 cores, 500.0 GiB, ")
    assert "Not old: This refinement does not fit on the GPU: " in found["Partition"]
    assert "Next in order, not needed: big." in found["Partition"]
    assert "Not among the job's partitions: cpu." in found["Partition"]
    assert 'partition: job type "gpu" in site.json' in found["Said by"]
    assert 'time: job type "submit" in site.json' in found["Said by"]
    assert " --scale -[--j 4] +[--j 7] -[--gpu ''] +[--gpu 0:1:2:3] --maxsig " in found["Command"]
    assert sorted(script.parent.iterdir()) == before, "nothing is written"


@pytest.mark.usefixtures("slurm")
def test_all_of_it_is_on_one_screen(script: Path, explain: Explain) -> None:
    lines = explain(script).text.splitlines()

    assert 24 <= len(lines) <= 50
    assert max(map(len, lines)) <= 100
    assert "\x1b" not in "".join(lines)


def test_what_was_decided_then_is_told_though_the_site_has_changed(
    slurm: StandIn, script: Path, explain: Explain, site: WriteSite, tmp_path: Path
) -> None:
    planned = explain(script)
    slurm.submits("take 17 PENDING; echo 17")
    submit(script)
    content = json.loads((tmp_path / "site" / "site.json").read_text())
    content["job_parameters"]["gpu"] = {"partitions": ["big"], "nproc": 3}
    site("site.json", content)

    found = explain(JOB)

    assert found["State"].startswith("Waits. It waits as job 17 of slurm, submitted 20")
    assert found["Basis"].startswith("What was decided when ")
    for title in ("Type", "Ranks", "GPU memory", "Host memory", "Image", "Partition", "Said by"):
        assert found[title] == planned[title]
    assert found["Command"] == planned["Command"]


def test_why_a_job_waits_is_told(slurm: StandIn, script: Path, explain: Explain) -> None:
    slurm.submits("take 17 PENDING; echo 17")
    slurm.has("17", "PENDING", submit(script), "Resources")

    said = explain(JOB)["State"]

    assert "Why: what it asks for is in use by other jobs" in said
    assert said.endswith("(Resources).")


def test_where_a_job_runs_is_told(slurm: StandIn, script: Path, explain: Explain) -> None:
    submit(script)
    (script.parent / "run_it007_half1_model.star").touch()

    found = explain(JOB)
    assert found["State"] == (
        "Runs. It runs on node1 as job 17 of slurm, for 0:07. The last iteration that it has "
        "written is 7."
    )

    slurm.queue_answers("exit 1")
    assert "the scheduler does not answer now" in explain(JOB)["State"]
    slurm.queue_answers("cat queue")
    slurm.forgets()
    found = explain(JOB)
    assert found["State"].startswith("Unknown. It runs for RELION as job 17 of slurm, but the ")
    assert not list(script.parent.glob("RELION_JOB_EXIT_*")), "explain tells RELION nothing"


def test_how_a_job_ended_and_what_it_used_is_told(
    slurm: StandIn, script: Path, explain: Explain
) -> None:
    submit(script)
    end(script, "SUCCESS")

    found = explain(JOB)

    assert found["State"] == (
        "Succeeded. It ended 2026-11-28 07:13 UTC on gpu3 as job 17 of slurm, after 2:02:33."
    )
    assert "Measured on 2 GPUs: at most 45.7 GiB used, 84 % busy on average." in found["GPU memory"]


def test_why_a_job_failed_is_told(slurm: StandIn, script: Path, explain: Explain) -> None:
    submit(script)
    end(script, "FAILURE", "a GPU ran out of memory")

    found = explain(JOB)

    assert found["State"].startswith("Failed. It ended 2026-11-28 07:13 UTC on gpu3 ")
    assert found["State"].endswith(" a GPU ran out of memory")


def test_a_job_that_the_plan_refused_says_why_and_what_holds_now(
    slurm: StandIn, script: Path, explain: Explain, site: WriteSite, tmp_path: Path
) -> None:
    content = json.loads((tmp_path / "site" / "site.json").read_text())
    parameters = content["job_parameters"]
    site("site.json", {**content, "job_parameters": {"gpu": {"partition": "old"}}})
    assert call_hook(script).returncode != 0

    found = explain(JOB)
    assert found.status == 0
    assert found["State"].startswith("Refused. This refinement does not fit on the GPU")
    assert found["Basis"] == "A plan that is made now is refused with the same sentence."
    assert found["Type"] == ""

    site("site.json", {**content, "job_parameters": parameters})
    found = explain(JOB)
    assert found["State"].startswith("Refused. This refinement does not fit on the GPU")
    assert found["Basis"].startswith("There is no record of the job's last submission, so this ")
    assert found["Partition"].startswith("new ")


def test_a_job_that_the_scheduler_refused_says_so(
    slurm: StandIn, script: Path, explain: Explain
) -> None:
    slurm.submits("echo 'sbatch: error: Invalid account' >&2; exit 1")
    assert call_hook(script).returncode != 0

    found = explain(JOB)

    assert found["State"].startswith("Refused. ")
    assert "Invalid account" in found["State"]
    assert found["Partition"].startswith("new ")


def test_the_record_of_an_earlier_run_is_not_taken_for_this_one(
    slurm: StandIn, script: Path, explain: Explain
) -> None:
    submit(script)
    later = script.parent.joinpath(RECORD).stat().st_mtime + 10
    os.utime(script, (later, later))

    found = explain(JOB)

    assert "that record is an earlier run's." in found["Basis"]
    assert "so this plan was made now" in found["Basis"]


def test_json_has_the_facts(slurm: StandIn, script: Path, explain: Explain) -> None:
    submit(script)
    end(script, "SUCCESS")

    found = json.loads(explain(JOB, "--json").text)

    assert (found["job"], found["state"], found["planned"]) == (JOB, "Succeeded", "then")
    assert found["decided"] == "then"
    assert found["status"]["job_id"] == "17"
    assert found["plan"]["nproc"] == 9
    more = found["decisions"]["more_ranks"]
    assert (more["nproc"], more["ranks_per_gpu"]) == (13, 3)
    assert [limit["bound"] for limit in more["in_the_way"]] == ["gpu_memory", "host_memory"]
    assert [each["partition"] for each in found["decisions"]["passed_over"]] == ["old"]
    (command,) = found["commands"]
    assert {"change": "removed", "text": "--j 4"} in command["changes"]
    assert {"change": "added", "text": "--j 7"} in command["changes"]
