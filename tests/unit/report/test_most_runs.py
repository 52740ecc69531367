"""The runs of jobs that went on: which of them a report keeps, and how its page shows them."""

from __future__ import annotations

import json
import re
from typing import Any, get_args

import pytest

from dispatcher.jobs.run_words import MOST
from dispatcher.report.clocks import by_right_clocks
from dispatcher.report.job_row import JobRow, Outcome
from dispatcher.report.most_runs import MOST_JOBS, MostRuns
from dispatcher.report.page import page
from dispatcher.report.words import moment

from .rows import HOUR, MONDAY, job_row, noted_run
from .test_formats import SCRIPT, Page, report_of

NOW = MONDAY + 30 * 24 * HOUR


def went_on(times: int = 2, **keys: Any) -> JobRow:
    """A job that was preempted so many times, and ended then."""
    cut = (noted_run(number + 1, why="preemption") for number in range(times))
    return job_row(noted_runs=(*cut, noted_run(times + 1)), **keys)


def shown(*rows: JobRow, anonymous: bool = False) -> list[list[str]]:
    """The cells of the rows of the page's tables of runs."""
    text = page(report_of(*rows, anonymous=anonymous))
    assert Page(text).open == []
    tables = re.findall(r'<table class="runs">.*?<tbody>(.*?)</tbody>', text, re.DOTALL)
    lines = (line for table in tables for line in re.findall("<tr>(.*?)</tr>", table))
    return [re.findall("<td[^>]*>(.*?)</td>", line) for line in lines]


@pytest.mark.parametrize("outcome", get_args(Outcome))
def test_a_job_that_went_on_may_have_any_end(outcome: Outcome) -> None:
    """Records may say what no job of ours does."""
    assert len(shown(went_on(outcome=outcome))) == 3


def test_each_run_has_a_line() -> None:
    first = noted_run(1, why="time_limit", to_iteration=7)
    lost = noted_run(2, why="lost_node", from_iteration=7, started=None, ended=None, host=None)
    last = noted_run(3, from_iteration=9, to_iteration=0, host="gpu2", ranks=5)

    times = [moment(MONDAY + hour * HOUR) for hour in (1, 1.5, 3, 3.5)]
    assert shown(job_row(noted_runs=(first, lost, last))) == [
        ["1", *times[:2], "its time was over", "-", "7", "gpu1", "9"],
        ["2", "-", "-", "it was lost, or its machine was switched off", "7", "-", "-", "9"],
        ["3", *times[2:], "it succeeded", "9", "0", "gpu2", "5"],
    ]


@pytest.mark.parametrize(
    ("outcome", "why"),
    [
        ("running", "it runs"),
        ("unknown", "not known"),
        ("waiting", "it was lost, or its machine was switched off"),
        ("failed", "it failed"),
        ("aborted", "it was aborted"),
    ],
)
def test_of_a_last_run_that_told_no_end_others_tell(outcome: str, why: str) -> None:
    runs = (noted_run(1, why="gpu_memory"), noted_run(2, ending=None, ended=None))

    lines = shown(job_row(outcome=outcome, noted_runs=runs))

    assert [line[3] for line in lines] == ["a GPU ran out of memory", why]


def test_a_job_of_one_run_has_none_of_this() -> None:
    assert "Jobs that went on" not in page(report_of(job_row()))
    assert report_of(job_row()).as_json()["went_on"] == []


def test_the_jobs_with_most_runs_are_kept() -> None:
    kept = MostRuns()
    for number in range(MOST_JOBS + 20):
        kept.add(went_on(1 + number % 7, job=f"Refine3D/job{number:03}", gpus=number))
        kept.add(job_row())

    rows = list(kept)

    assert kept.jobs == MOST_JOBS + 20
    assert len(rows) == MOST_JOBS
    keys = [(len(row.noted_runs), row.gpus) for row in rows]
    assert keys == sorted(keys, reverse=True)
    assert {row.job for row in rows} >= {f"Refine3D/job{n:03}" for n in range(6, 70, 7)}


def test_jobs_of_which_nothing_else_is_known_are_kept_too() -> None:
    kept = MostRuns()
    for _ in range(MOST_JOBS + 1):
        kept.add(went_on(seconds=None, started=None))

    assert len(list(kept)) == MOST_JOBS


def test_a_page_of_many_runs_stays_small_and_says_what_it_leaves_out() -> None:
    rows = [went_on(200, job=f"Refine3D/job{number:03}") for number in range(300)]
    report = report_of(*rows)

    text = page(report)

    assert len(text.encode()) < 400_000
    assert len(shown(*rows)) == MOST_JOBS * MOST
    assert f"The {MOST_JOBS} with most runs of 300 are shown" in text
    assert f"The last {MOST} of 201 runs are shown; <code>--json</code> has all." in text
    assert len(report.as_json()["went_on"][0]["runs"]) == 201


def test_an_anonymous_report_has_numbers_for_nodes() -> None:
    hosts = ("ada-l-laptop", "gpu7", "ada-l-laptop")
    runs = tuple(
        noted_run(number, host=host, why="preemption" if number < 3 else None, job_id="job-of-ada")
        for number, host in enumerate(hosts, 1)
    )
    row = job_row(noted_runs=runs, user="ada-l", project="/data/secret")
    report = report_of(row, anonymous=True)

    for text in (json.dumps(report.as_json()), page(report)):
        assert not re.search("ada|secret|gpu7", text)
    assert [line[6] for line in shown(row, anonymous=True)] == ["node 1", "node 2", "node 1"]
    assert [line[6] for line in shown(row)] == list(hosts)


def test_names_in_runs_are_text() -> None:
    (_, last) = shown(went_on(1, job=SCRIPT)._replace(
        noted_runs=(noted_run(1, why="preemption"), noted_run(2, host=f"{SCRIPT}\x1b[2J"))
    ))  # fmt: skip

    assert last[6] == r"&lt;script&gt;alert(1)&lt;/script&gt;\x1b[2J"


def test_times_of_runs_that_cannot_be_are_not_known() -> None:
    odd = (
        noted_run(1, started="2199-01-01T00:00:00+00:00", why="preemption"),
        noted_run(2, ended="2001-01-01T00:00:00+00:00", why="preemption"),
        noted_run(3, started=f"{SCRIPT}", ended=None),
        noted_run(4),
    )

    runs = by_right_clocks(job_row(noted_runs=odd), NOW).noted_runs

    known = [(run.started is not None, run.ended is not None) for run in runs]
    assert known == [(False, True), (True, False), (False, False), (True, True)]
    assert runs[3] == odd[3]
