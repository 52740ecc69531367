"""The accounting's figures go before those of the record, for the job that is meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from dispatcher.config.scheduler import Scheduler
from dispatcher.config.site import load_site
from dispatcher.report import accounting
from dispatcher.report.accounting import Asked, completed
from dispatcher.report.causes import advice_of
from dispatcher.report.job_row import JobRow
from dispatcher.report.record_row import Source
from dispatcher.scheduler.usage import ask_usage

from .rows import HOUR, MONDAY, job_row


def local(moment: float) -> str:
    """As Slurm prints it, if it is not asked for seconds since 1970."""
    return datetime.fromtimestamp(moment).isoformat()


def line(job: str = "17", **keys: object) -> str:
    """A line of sacct's."""
    values = {
        "State": "COMPLETED",
        "Partition": "gpu-long",
        "Submit": int(MONDAY + 2),
        "Start": int(MONDAY + 602),
        "ElapsedRaw": 3 * HOUR,
        "AllocTRES": "billing=8,cpu=8,gres/gpu=4,mem=64G,node=1",
        "NTasks": "",
        "MaxRSS": "",
        **keys,
    }
    return "|".join(map(str, [job, *values.values()]))


@pytest.fixture
def slurm(tmp_path: Path) -> Scheduler:
    """Slurm as shipped, with a sacct that prints the file "rows", and notes how it was called."""
    program = tmp_path / "sacct"
    program.write_text(f'#!/bin/sh\ncd {tmp_path}\necho "$@" >> calls\ncat rows\n')
    program.chmod(0o755)
    shipped = load_site().schedulers["slurm"]
    return replace(
        shipped,
        usage_command=[*shipped.usage_command[:2], str(program), *shipped.usage_command[3:]],
        timeout=20,
    )


def told(slurm: Scheduler, tmp_path: Path, lines: Sequence[str], *rows: JobRow) -> list[JobRow]:
    (tmp_path / "rows").write_text("".join(f"{each}\n" for each in lines))
    source = Source({"slurm": slurm}, advice_of([], [slurm]))
    return list(completed(rows, source, Asked()))


def test_its_times_and_gpus_count(slurm: Scheduler, tmp_path: Path) -> None:
    steps = [
        line("17.batch", MaxRSS="2097152K", NTasks=1),
        line("17.0", MaxRSS="3G", NTasks=1),
        line("17.extern"),
    ]

    (row,) = told(slurm, tmp_path, [line(), *steps], job_row())

    assert (row.partition, row.waited, row.seconds) == ("gpu-long", 600, 3 * HOUR)
    assert (row.gpus, row.gpu_hours, row.peak_bytes) == (4, 12, 3 << 30)
    assert (row.outcome, row.accounted) == ("succeeded", True)


def test_accounting_that_counts_no_gpus_leaves_those_of_the_record(
    slurm: Scheduler, tmp_path: Path
) -> None:
    (row,) = told(slurm, tmp_path, [line(AllocTRES="cpu=8,mem=64G,node=1")], job_row())

    assert (row.gpus, row.gpu_hours) == (2, 6)


def test_another_job_that_had_the_same_id_is_not_taken(slurm: Scheduler, tmp_path: Path) -> None:
    (row,) = told(slurm, tmp_path, [line(Submit=local(MONDAY - 40 * 86400))], job_row())

    assert row == job_row()


@pytest.mark.parametrize(
    ("state", "outcome", "cause"),
    [
        ("NODE_FAIL", "failed", "its node was lost"),
        ("TIMEOUT", "failed", "it reached its time limit"),
        ("CANCELLED by 1000", "failed", "it was cancelled in the queue"),
        ("RUNNING", "running", None),
        ("PENDING", "waiting", None),
        ("COMPLETED", "unknown", None),  # its script came to its end, and told nothing
        ("NEW_STATE", "unknown", None),
    ],
)
def test_it_tells_the_end_of_a_job_whose_script_could_not(
    slurm: Scheduler, tmp_path: Path, state: str, outcome: str, cause: str | None
) -> None:
    lost = job_row(outcome="unknown", started=None, seconds=None, means=())

    (row,) = told(slurm, tmp_path, [line(State=state)], lost)

    assert (row.outcome, row.cause) == (outcome, cause)
    assert row.gpu_hours == (None if outcome == "waiting" else 12)


def test_what_the_job_told_itself_of_its_end_holds(slurm: Scheduler, tmp_path: Path) -> None:
    failed = job_row(outcome="failed", cause="the disk is full")

    (row,) = told(slurm, tmp_path, [line(State="CANCELLED")], failed)

    assert (row.outcome, row.cause, row.gpu_hours) == ("failed", "the disk is full", 12)


def test_many_jobs_are_asked_about_at_once(
    slurm: Scheduler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounting, "AT_ONCE", 3)
    rows = [job_row(job_id=str(number)) for number in range(1, 8)]
    refused = job_row(outcome="refused", job_id=None)

    found = told(slurm, tmp_path, [line("2")], *rows, refused)

    calls = (tmp_path / "calls").read_text().splitlines()
    assert [call.partition("--jobs=")[2].partition(" ")[0] for call in calls] == [
        "1,2,3",
        "4,5,6",
        "7",
    ]
    assert "--starttime=" + local(MONDAY - 2 * 86400) in calls[0]
    assert len(found) == 8
    assert [row.job_id for row in found if row.accounted] == ["2"]


def test_jobs_of_another_cluster_are_asked_about_there(slurm: Scheduler, tmp_path: Path) -> None:
    told(slurm, tmp_path, [], job_row(), job_row(where=("--clusters=far",)))

    here, far = (tmp_path / "calls").read_text().splitlines()
    assert "--clusters" not in here
    assert far.endswith(" --clusters=far")


@pytest.mark.parametrize("does", ["echo 'Slurm accounting is disabled'\nexit 1", "echo hello"])
def test_a_cluster_whose_accounting_fails_is_asked_once(
    slurm: Scheduler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str
) -> None:
    monkeypatch.setattr(accounting, "AT_ONCE", 1)
    (tmp_path / "rows").write_text(f"{line()}\n")
    (tmp_path / "sacct").write_text(
        f'#!/bin/sh\ncd {tmp_path}\necho "$@" >> calls\ncase "$*" in *far*) cat rows; exit;; esac\n'
        f"{does}\n"
    )
    asked = Asked()
    far = job_row(where=("--clusters=far",))
    rows = [*[job_row(job_id=str(number)) for number in range(1, 8)], far]

    found = list(completed(rows, Source({"slurm": slurm}, {}), asked))

    assert found[:7] == rows[:7]
    assert found[7].accounted
    assert (asked.silent, asked.unknown) == ({("slurm", ()): 7}, {})
    assert len((tmp_path / "calls").read_text().splitlines()) == 2


def test_jobs_that_the_accounting_does_not_know_are_counted(
    slurm: Scheduler, tmp_path: Path
) -> None:
    (tmp_path / "rows").write_text(f"{line()}\n")
    asked = Asked()

    list(completed([job_row(), job_row(job_id="18")], Source({"slurm": slurm}, {}), asked))

    assert (asked.silent, asked.unknown) == ({}, {("slurm", ()): 1})


@pytest.mark.parametrize("tasks", ["2", "16"])
def test_the_memory_of_a_step_of_several_tasks_is_not_known(
    slurm: Scheduler, tmp_path: Path, tasks: str
) -> None:
    """Slurm's MaxRSS is that of the largest task."""
    steps = [line("17.batch", MaxRSS="2G", NTasks=1), line("17.0", MaxRSS="1G", NTasks=tasks)]

    (row,) = told(slurm, tmp_path, [line(), *steps], job_row())

    assert row.peak_bytes is None


def test_the_times_are_asked_for_in_seconds_since_1970(slurm: Scheduler, tmp_path: Path) -> None:
    (tmp_path / "sacct").write_text(
        f"#!/bin/sh\n[ \"$SLURM_TIME_FORMAT\" = %s ] && echo '{line()}'\n"
    )

    found = ask_usage(slurm, ["17"], MONDAY)

    assert found
    assert (found["17"].submitted, found["17"].started) == (MONDAY + 2, MONDAY + 602)


def test_a_local_time_is_read_too(slurm: Scheduler, tmp_path: Path) -> None:
    own = line(Submit=local(MONDAY + 2), Start=local(MONDAY + 602))

    (row,) = told(slurm, tmp_path, [own], job_row())

    assert (row.waited, row.accounted) == (600, True)


@pytest.mark.parametrize("start", ["None", "Unknown", int(MONDAY + 2)])
def test_a_job_that_never_started_took_no_time(
    slurm: Scheduler, tmp_path: Path, start: object
) -> None:
    lost = job_row(outcome="unknown", started=None, seconds=None, means=())
    never = line(State="CANCELLED by 12345", Start=start, ElapsedRaw=0, AllocTRES="")

    (row,) = told(slurm, tmp_path, [never], lost)

    assert (row.outcome, row.seconds, row.gpu_hours) == ("failed", 0, 0)
    assert row.waited is None


@pytest.mark.parametrize(
    ("by", "asked", "outcome"),
    [("", True, "aborted"), (" by 0", False, "aborted"), (" by 12345", False, "failed")],
)
def test_a_job_that_its_user_cancelled_was_aborted(
    slurm: Scheduler, tmp_path: Path, by: str, asked: bool, outcome: str
) -> None:
    lost = job_row(user="root", outcome="unknown", started=None, seconds=None, cancelled=asked)

    (row,) = told(slurm, tmp_path, [line(State=f"CANCELLED{by}")], lost)

    assert row.outcome == outcome


def test_a_script_that_was_stopped_by_its_users_cancelling_did_not_fail(
    slurm: Scheduler, tmp_path: Path
) -> None:
    stopped = job_row(user="root", outcome="failed", cause="it was cancelled in the scheduler")

    (row,) = told(slurm, tmp_path, [line(State="CANCELLED by 0")], stopped)

    assert (row.outcome, row.cause) == ("aborted", None)


def test_the_sibling_of_a_federation_that_ran_the_job_counts(
    slurm: Scheduler, tmp_path: Path
) -> None:
    revoked = line(State="REVOKED", ElapsedRaw=0, AllocTRES="")
    (tmp_path / "rows").write_text(f"{revoked}\n{line()}\n{revoked}\n")

    found = ask_usage(slurm, ["17"], MONDAY)

    assert found
    assert (found["17"].seconds, found["17"].gpus) == (3 * HOUR, 4)


@pytest.mark.parametrize("text", ["", "17|COMPLETED\n", "||||||||\n", "x|" * 8 + "\n", "\xff\n"])
def test_what_else_it_prints_is_no_job(slurm: Scheduler, tmp_path: Path, text: str) -> None:
    (tmp_path / "rows").write_text(text)

    assert "17" not in (ask_usage(slurm, ["17"], MONDAY) or {})
