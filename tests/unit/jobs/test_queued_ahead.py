"""Whose turn it is of the jobs that were queued ahead, from what lies in the job's folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dispatcher.jobs.notes import line_file, read_line, write_line
from dispatcher.jobs.queued_ahead import wanted_ahead, whose_turn
from dispatcher.jobs.record import Record, load_record

TOKEN = "0123456789ab"
GOES_ON = {"after": ["time_limit"], "at_most": 9, "gives_up_after": 2, "queued_ahead": 2}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A job of which no run has begun."""
    record = {"token": TOKEN, "job_id": "17", "goes_on": GOES_ON}
    (tmp_path / "dispatch.json").write_text(json.dumps(record))
    write_line(tmp_path, TOKEN, ["17", "18", "19"])
    return tmp_path


def begins(folder: Path, run: int, job: str) -> None:
    name = f".dispatch_claim.{TOKEN}" + (f".{run}" if run > 1 else "")
    (folder / name).symlink_to(f"gpu1, process 5, 2026, job {job}")


def goes_on(folder: Path, run: int, job: str) -> None:
    text = f"token {TOKEN}\nrun {run}\nscheduler_job_id {job}\nending GOES_ON\n"
    (folder / f"dispatch.run.{TOKEN}.{run}").write_text(text)


def record(folder: Path) -> Record:
    return load_record(folder / "dispatch.json")


def test_the_line_is_in_the_record(folder: Path) -> None:
    assert record(folder).jobs_in_line == ("17", "18", "19")
    assert record(folder).merged["jobs_in_line"] == ["17", "18", "19"]
    assert wanted_ahead(record(folder)) == 2


def test_the_job_that_has_begun_last_and_the_one_behind_it(folder: Path) -> None:
    assert whose_turn(record(folder)) == ("17",)
    begins(folder, 1, "17.pbs01")
    assert whose_turn(record(folder)) == ("17", "18")
    goes_on(folder, 1, "17.pbs01")
    begins(folder, 2, "18")
    assert whose_turn(record(folder)) == ("18", "19")
    begins(folder, 3, "19")
    assert whose_turn(record(folder)) == ("19",)


def test_of_a_line_that_resume_has_made_the_first_one_comes_next(folder: Path) -> None:
    begins(folder, 1, "16")
    assert whose_turn(record(folder)) == (), "such as the twin of the first one, which runs"
    goes_on(folder, 1, "16")
    assert whose_turn(record(folder)) == ("17",)


@pytest.mark.parametrize("text", ["17\n-u\n", "17\n18 19\n", "\x00\n"])
def test_a_note_of_others_is_named_and_not_used(text: str, folder: Path) -> None:
    line_file(folder, TOKEN).write_text(text)
    assert record(folder).jobs_in_line == ()
    (problem,) = record(folder).problems
    assert f".dispatch_line.{TOKEN} is not used" in problem


def test_without_a_note_nothing_is_in_the_line(folder: Path) -> None:
    line_file(folder, TOKEN).unlink()
    assert (read_line(folder, TOKEN), record(folder).jobs_in_line) == ((), ())
    assert whose_turn(record(folder)) == ()
