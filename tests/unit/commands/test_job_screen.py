"""The jobs as `status --watch` shows them: within the terminal, with what matters most."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from dispatcher.commands.job_screen import Screen, job_screen
from dispatcher.jobs.status import JobStatus

HEADING = "2026-11-28 18:42:10, every 10 s (Ctrl-C ends)"
NOW = datetime(2026, 11, 28, 18, 42)


def job(number: int = 19, relion: str = "Running", **more: Any) -> JobStatus:
    known: dict[str, Any] = dict.fromkeys(JobStatus.__annotations__)
    known |= {"job": f"Refine3D/job{number:03}", "relion": relion}
    return JobStatus(**(known | more))  # type: ignore[typeddict-item]


RUNNING = job(
    scheduler="slurm", state="RUNNING", job_id="4711", node="gpu1", nproc=9, ngpu=4,
    image="relion 5.0.1", iteration=12, run_time="1-01:02:33",
)  # fmt: skip
WAITING = job(20, state="PENDING", job_id="4715", nproc=5, ngpu=4, image="relion 5.0.1",
              run_time="0:00", reason="Resources", waiting_since="2026-11-28T16:30:00")  # fmt: skip


def shown(
    *jobs: JobStatus,
    columns: int = 80,
    lines: int | None = None,
    notes: Any = (),
    others: Counter[str] | None = None,
) -> str:
    screen = Screen(columns, lines)
    texts = job_screen(jobs, HEADING, notes, screen, others, NOW)
    return "\n".join(text.plain for text in texts)


def test_what_matters_fits_80_columns_and_what_does_not_fit_is_said() -> None:
    assert shown(RUNNING, WAITING).splitlines() == [
        HEADING,
        "",
        "job              RELION   state    id    node  iteration  time",
        "Refine3D/job019  Running  RUNNING  4711  gpu1  12         1-01:02:33",
        "Refine3D/job020  Running  PENDING  4715  -     -          0:00",
        "    waits since 16:30 (2 h 12 min): Resources",
        "",
        "A wider terminal shows more: image, ranks x GPUs.",
    ]


def test_a_wide_terminal_shows_everything() -> None:
    heads = shown(RUNNING, WAITING, columns=120).splitlines()[2].split("  ")

    assert "image" in heads and "ranks x GPUs" in heads
    assert "A wider terminal" not in shown(RUNNING, WAITING, columns=120)


def test_columns_that_say_nothing_are_not_there() -> None:
    text = shown(job(1, "Scheduled"))

    assert text.splitlines()[2:] == ["job              RELION", "Refine3D/job001  Scheduled"]


def test_a_long_reason_stands_below_its_job() -> None:
    reason = "The job failed after 0:12:03, because " + "a GPU had no memory left " * 5

    lines = shown(job(1, "Failed", reason=reason), RUNNING).splitlines()

    assert lines[3].startswith("Refine3D/job001  Failed")
    assert " ".join(line.strip() for line in lines[4:7]) == reason.strip()
    assert lines[7].startswith("Refine3D/job019  Running")


def test_a_small_terminal_keeps_the_first_jobs_and_counts_the_others() -> None:
    ended = [job(number, "Succeeded") for number in range(99, -1, -1)]
    running = job(3, state="R")

    lines = shown(running, *ended, lines=20, others=Counter(Succeeded=7, Failed=2)).splitlines()

    assert len(lines) < 20
    assert lines[3].startswith("Refine3D/job003  Running")
    assert lines[4].startswith("Refine3D/job099  Succeeded")
    assert lines[13].startswith("Refine3D/job090  Succeeded")
    assert " ".join(lines[-2:]) == (
        "99 more jobs: 97 succeeded, 2 failed. `relion-dispatch status --all` shows all of them."
    )


def test_jobs_that_run_and_have_no_room_are_counted() -> None:
    assert "29 more jobs: 29 running." in shown(*(job(number) for number in range(40)), lines=20)


def test_jobs_that_nobody_looked_at_are_counted_though_none_is_shown() -> None:
    text = shown(others=Counter(Succeeded=1))

    assert "1 more job: 1 succeeded." in text
    assert "no jobs yet" not in text


def test_how_far_a_refinement_is() -> None:
    classes = job(21, iteration=17, iterations=25, minutes_per_iteration=7.5,
                  expected_end="2026-11-28T19:42:00")  # fmt: skip
    refinement = job(22, iteration=9, minutes_per_iteration=0.04)

    assert shown(classes, refinement).splitlines()[2:] == [
        "job              RELION   iteration  min each  ends about",
        "Refine3D/job021  Running  17 of 25   7.5       19:42",
        "Refine3D/job022  Running  9          <0.1      -",
    ]


def test_colours_tell_the_states_apart() -> None:
    jobs = [RUNNING, WAITING, job(3, "Failed"), job(4, "Aborted"), job(5, "Succeeded")]

    texts = job_screen(jobs, "", (), Screen(200), None, NOW)

    words = {
        text.plain[span.start : span.end]: span.style for text in texts[1:] for span in text.spans
    }
    assert words["Failed"] == "bold red"
    assert words["Aborted"] == "magenta"
    assert "Succeeded" not in words
    styles = [text.spans[0].style for text in texts[1:3]]
    assert styles == ["bold green", "yellow"]


def test_a_note_takes_its_room_from_the_jobs() -> None:
    note = "The scheduler slurm does not answer. " * 9

    lines = shown(*(job(number) for number in range(40)), lines=20, notes=[note]).splitlines()

    assert len(lines) < 20
    assert lines[3].startswith("Refine3D/job0")
    assert " ".join(lines[-5:]).strip() == note.strip()


def test_a_project_without_jobs_and_a_note() -> None:
    assert shown(notes=["The scheduler slurm does not answer."]).splitlines() == [
        HEADING, "", "The project has no jobs yet.", "", "The scheduler slurm does not answer.",
    ]  # fmt: skip


TEXT = st.one_of(st.none(), st.text(max_size=60), st.sampled_from(["x" * 200, "日本" * 40]))


@pytest.mark.parametrize("columns", [20, 40, 80, 132])
@given(st.lists(st.tuples(TEXT, TEXT, TEXT, st.sampled_from(["Running", "Failed"])), max_size=30))
def test_no_line_is_wider_than_the_terminal_whatever_others_have_written(
    columns: int, cells: list[tuple[str | None, str | None, str | None, str]]
) -> None:
    jobs = [
        job(at, relion, node=node, image=image, reason=reason)
        for at, (node, image, reason, relion) in enumerate(cells)
    ]

    lines = shown(*jobs, columns=columns).split("\n")

    assert max(map(cell_len, lines)) <= columns
    assert len([line for line in lines if line.startswith("Refine3D")]) == len(jobs)
