"""``relion-dispatch explain`` where a record is old, damaged, hostile or another user's."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from dispatcher.jobs.record import RECORD

from ...fixture_types import WriteSite
from ..hook_calls import call_hook
from ..stand_in_scheduler import StandIn
from .explained import JOB, Explain


@pytest.fixture
def record(slurm: StandIn, script: Path) -> Path:
    """The record of a job that runs."""
    assert slurm
    assert call_hook(script).returncode == 0
    return script.parent / RECORD


def change(record: Path, **keys: Any) -> None:
    """Set keys of the record; None takes a key out."""
    changed = {**json.loads(record.read_text()), **keys}
    record.write_text(json.dumps({k: v for k, v in changed.items() if v is not None}))


def test_a_record_of_an_earlier_version_is_filled_up_with_a_plan_of_now(
    record: Path, explain: Explain
) -> None:
    planned = explain(JOB)
    change(record, decisions=None, dispatcher_version="0.2.0")

    found = explain(JOB)

    assert "The record, written by relion-dispatch 0.2.0, does not hold" in found["Basis"]
    assert "may have been others when the job was submitted." in found["Basis"]
    assert found["Partition"] == planned["Partition"]
    assert "Image relion 5.1.0 (cuda): the site's default." in found["Also"]
    assert json.loads(explain(JOB, "--json").text)["decided"] == "now"


def test_a_plan_of_now_that_is_another_explains_nothing(
    record: Path, explain: Explain, site: WriteSite
) -> None:
    change(record, decisions=None, job_type="refine_of_old")

    found = explain(JOB)

    assert "Now the job would be of type refine, which explains nothing." in found["Basis"]
    assert "Not old" not in found["Partition"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"token": 7}', "\0"])
def test_a_damaged_record_is_named(text: str, record: Path, explain: Explain) -> None:
    record.write_text(text)

    found = explain(JOB)

    assert found.status == 0
    assert f"{RECORD} is not a record of relion-dispatch" in found["Basis"]
    assert "take that file from a backup of the project." in found["Basis"]
    assert found["Ranks"].startswith("9 ranks x 7 threads")


def test_a_pipe_in_the_place_of_a_record_stops_nothing(record: Path, explain: Explain) -> None:
    record.unlink()
    os.mkfifo(record)

    assert "cannot be read" in explain(JOB)["Basis"]


@pytest.mark.parametrize(
    "decisions",
    [
        7,
        {"topics": 7},
        {"topics": ["ranks"]},
        {"other_types": [{"name": 7}]},
        {"more_ranks": {"in_the_way": [{}]}},
        {"more_ranks": {"nproc": -1, "in_the_way": [{"says": "x"}]}},
        {"node": {"memory": "much", "gpus": 2**80}},
        {"passed_over": "old"},
        {"sources": [{"key": "\x1b[2J", "where": "\x1b]0;owned\x07"}]},
        {"takes": "\x1b[2J\u202e"},
    ],
)
def test_a_record_of_anothers_making_does_no_harm(
    decisions: object, record: Path, explain: Explain
) -> None:
    change(record, decisions=decisions)

    found = explain(JOB)

    assert (found.status, found.errors) == (0, "")
    assert "Traceback" not in found.text
    assert "\x1b" not in found.text and "\u202e" not in found.text
    assert found["State"].startswith("Runs. ")
    assert explain(JOB, "--json").status == 0


@pytest.mark.parametrize(
    "keys",
    [
        {"reasons": 7},
        {"commands": [{"shell": "'"}], "original_commands": ["x"]},
        {"commands": [{"shell": 7}]},
        {"commands": [{"shell": " "}], "original_commands": [""]},
        {"original_commands": ["`which"]},
        {"gpu_fit": {"bytes_per_rank": "x"}},
        {"job_parameters": {"mem": "\x1b[2J", "partition": ["a"]}},
        {"image": {"name": "\x1b[2J"}},
        {"lineage": "x"},
        {"warnings": [7]},
    ],
)
def test_odd_entries_of_a_record_are_named_and_the_rest_is_told(
    keys: dict[str, Any], record: Path, explain: Explain
) -> None:
    change(record, **keys)

    found = explain(JOB)

    assert (found.status, found.errors) == (0, "")
    assert "\x1b" not in found.text
    assert found["State"].startswith("Runs. ")
    assert found["Said by"]
    assert explain(JOB, "--json").status == 0


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_a_job_of_another_user_is_told_from_the_record(record: Path, explain: Explain) -> None:
    os.chown(record, 54321, -1)

    found = explain(JOB)

    assert found["State"] == (
        "Runs. It runs for RELION as job 17 of slurm; only user 54321 sees it in the queue."
    )
    assert found["Ranks"].startswith("9 ranks x 7 threads")


def test_a_broken_site_leaves_what_the_record_tells(
    record: Path, explain: Explain, site: WriteSite
) -> None:
    site("site.json", "{")

    found = explain(JOB)

    assert found.status == 0
    assert found["State"].startswith("Unknown. It was submitted as job 17 of slurm.")
    assert found["Ranks"].startswith("9 ranks x 7 threads")


def test_a_broken_site_leaves_nothing_of_a_job_that_was_not_submitted(
    slurm: StandIn, script: Path, explain: Explain, site: WriteSite
) -> None:
    path = site("site.json", "{")

    found = explain(script)

    assert found.status == 0
    assert str(path) in found["Basis"]
    assert found["Type"] == ""


def test_a_damaged_list_of_jobs_is_named(record: Path, explain: Explain, project: Path) -> None:
    pipeline = project / "default_pipeline.star"
    pipeline.write_text(pipeline.read_text().replace("_rlnPipeLineProcessName", "_rlnSomething"))

    found = explain(JOB)

    assert found.status == 0
    assert "the file is damaged" in found["State"]
    assert found["Ranks"].startswith("9 ranks x 7 threads")
