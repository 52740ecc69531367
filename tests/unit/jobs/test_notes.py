"""Lines of a job's notes end at a line break alone, whatever else their text holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.jobs.notes import read_job_id, read_watcher, write_job_id, write_watcher
from dispatcher.jobs.run_file import read_run
from dispatcher.jobs.run_names import run_file

TOKEN = "0123456789ab"


@pytest.mark.parametrize("mark", ["\u2028", "\u0085", "\u2029"])
def test_a_mark_of_unicode_does_not_end_a_line(mark: str, tmp_path: Path) -> None:
    reason = f"It failed{mark}ending SUCCESS"
    run_file(tmp_path, TOKEN).write_text(f"token {TOKEN}\nreason {reason}\nending FAILURE\n")
    (tmp_path / f".dispatch_watcher.{TOKEN}").write_text(f"-\nno{mark}watcher\n")

    run = read_run(tmp_path, TOKEN)

    assert run is not None
    assert (run["reason"], run["ending"]) == (reason, "FAILURE")
    assert read_watcher(tmp_path, TOKEN) == {"job_id": None, "warning": f"no{mark}watcher"}


def test_the_first_note_holds(tmp_path: Path) -> None:
    for job_id in ("17", "18"):
        write_job_id(tmp_path, TOKEN, job_id)
        write_watcher(tmp_path, TOKEN, job_id)

    assert read_job_id(tmp_path, TOKEN) == ("17", None)
    assert read_watcher(tmp_path, TOKEN) == {"job_id": "17"}


def test_the_note_has_the_jobs_cluster_where_the_queue_tells_it(tmp_path: Path) -> None:
    write_job_id(tmp_path, TOKEN, "17", "gpuland")
    assert read_job_id(tmp_path, TOKEN) == ("17", "gpuland")

    (tmp_path / f".dispatch_id.{TOKEN}").write_text("17\n--me\n")
    with pytest.raises(
        ValueError, match=r'is not used: its "cluster" is none that a scheduler has'
    ):
        read_job_id(tmp_path, TOKEN)


def test_without_notes_nothing_is_known(tmp_path: Path) -> None:
    assert read_job_id(tmp_path, TOKEN) is None
    assert read_watcher(tmp_path, TOKEN) is None
