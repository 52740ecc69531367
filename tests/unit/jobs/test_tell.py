"""RELION is told an end, whatever lies at the names that are needed for that."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dispatcher.jobs.tell import tell
from dispatcher.refusal import IN_SIGHT, TWO_ROWS


@pytest.fixture
def job(tmp_path: Path) -> Path:
    folder = tmp_path / "job001"
    folder.mkdir()
    return folder


@pytest.fixture
def others(tmp_path: Path) -> Path:
    (tmp_path / "others").mkdir()
    for name in ("file", "reserve", "ending"):
        (tmp_path / "others" / name).write_text("theirs\n")
    return tmp_path / "others"


def put(kind: str, path: Path, others: Path) -> None:
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "hard link":
        path.hardlink_to(others / "file")
    else:
        path.symlink_to(others / ("file" if kind == "link" else "nothing"))


@pytest.mark.parametrize("kind", ["link", "link to nothing", "pipe", "hard link"])
def test_what_is_no_file_in_the_place_of_run_err_is_kept_under_another_name(
    kind: str, job: Path, others: Path
) -> None:
    put(kind, job / "run.err", others)

    assert tell(job, job / "run.err", "FAILURE", "It ended.", "")

    assert (job / "run.err").read_text() == f"{IN_SIGHT}relion-dispatch: It ended.\n"
    assert os.path.lexists(job / "run.err.1")
    assert (job / "RELION_JOB_EXIT_FAILURE").exists()
    assert {each.read_text() for each in others.iterdir()} == {"theirs\n"}


def test_the_line_acts_on_no_terminal_whoever_has_worded_it(job: Path) -> None:
    assert tell(job, job / "run.err", "FAILURE", "n\x1b[2J1\ndone \u202e\udcff", "")

    assert (job / "run.err").read_text() == (
        f"{IN_SIGHT}relion-dispatch: n\\x1b[2J1\\ndone \\u202e\\xff\n"
    )


@pytest.mark.parametrize(("length", "twice"), [(0, False), (1, True)])
def test_relions_window_shows_a_long_sentence_whole_as_the_end_of_run_out(
    length: int, twice: bool, job: Path
) -> None:
    sentence = "x" * (TWO_ROWS - len("relion-dispatch: ") + length)

    assert tell(job, job / "run.err", "FAILURE", sentence, "")

    assert (job / "run.err").read_text() == f"{IN_SIGHT}relion-dispatch: {sentence}\n"
    assert (job / "run.out").exists() == twice
    assert not twice or (job / "run.out").read_text() == f"relion-dispatch: {sentence}\n"


def test_a_link_that_leads_nowhere_is_no_end(job: Path, others: Path) -> None:
    put("link to nothing", job / "RELION_JOB_EXIT_ABORTED", others)

    assert tell(job, job / "run.err", "ABORTED", "It ended.", "")

    assert (job / "RELION_JOB_EXIT_ABORTED").is_file()
    assert not (job / "RELION_JOB_EXIT_ABORTED").is_symlink()
    assert not (others / "nothing").exists()


@pytest.mark.parametrize("kind", ["folder", "link to nothing", "pipe"])
def test_files_of_another_folder_are_neither_removed_nor_moved(
    kind: str, job: Path, others: Path
) -> None:
    control = job / ".dispatch_control."
    if kind == "folder":
        control.symlink_to(others)
    else:
        put(kind, control, others)

    assert tell(job, job / "run.err", "FAILURE", "It ended.", "")

    assert sorted(each.name for each in others.iterdir()) == ["ending", "file", "reserve"]
    assert (job / "RELION_JOB_EXIT_FAILURE").read_text() == ""
