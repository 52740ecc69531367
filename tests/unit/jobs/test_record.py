"""A job's record, merged from the files of its three writers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dispatcher.jobs.claim import give_up
from dispatcher.jobs.notes import watcher_file, write_watcher
from dispatcher.jobs.record import load_record, read_record

TOKEN, EARLIER = "0123456789ab", "ba9876543210"
SUBMITTED: dict[str, Any] = {"job": "Refine3D/job019", "token": TOKEN, "job_id": "17"}
RUN = f"""token {TOKEN}
started 2026-11-28T05:11:14+00:00
ended 2026-11-28T06:11:14+00:00
host gpu1
scheduler_job_id 17
exit_status 1
ending FAILURE
reason The job failed after 1:00:00, because "x" \\ ☃ was full: ask  again.
gpu gpu1 GPU-aaaa-0 720 3145728000 60 2 17545822720
gpu gpu2 GPU-bbbb-1 719 2097152000 - - -
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A job's folder with what the hook wrote."""
    write(tmp_path, SUBMITTED)
    return tmp_path


def write(folder: Path, content: dict[str, Any], name: str = "dispatch.json") -> None:
    (folder / name).write_text(json.dumps(content))


def merged(folder: Path) -> dict[str, Any]:
    return dict(load_record(folder / "dispatch.json").merged)


def test_how_the_run_went_has_the_keys_of_0_1_0(folder: Path) -> None:
    (folder / f"dispatch.run.{TOKEN}").write_text(RUN)

    record = load_record(folder / "dispatch.json")

    assert record.merged["run"] == {
        "started": "2026-11-28T05:11:14+00:00",
        "ended": "2026-11-28T06:11:14+00:00",
        "host": "gpu1",
        "scheduler_job_id": "17",
        "exit_status": 1,
        "ending": "FAILURE",
        "reason": 'The job failed after 1:00:00, because "x" \\ ☃ was full: ask  again.',
        "gpus": [
            {
                "node": "gpu1",
                "gpu": "GPU-aaaa-0",
                "samples": 720,
                "peak_memory_bytes": 3145728000,
                "mean_utilisation_percent": 60,
                "ranks": 2,
                "predicted_bytes": 17545822720,
            },
            {
                "node": "gpu2",
                "gpu": "GPU-bbbb-1",
                "samples": 719,
                "peak_memory_bytes": 2097152000,
                "mean_utilisation_percent": None,
            },
        ],
    }
    assert record.run and (record.run.host, record.run.ended) == ("gpu1", RUN.split()[5])
    assert record.written == SUBMITTED


def test_what_the_script_does_not_know_is_null(folder: Path) -> None:
    (folder / f"dispatch.run.{TOKEN}").write_text(
        f"token {TOKEN}\nending SUCCESS\nexit_status 0\ngpu gpu1 GPU-aaaa-0 720 31457\nnew thing\n"
    )

    run = merged(folder)["run"]

    assert {key for key, value in run.items() if value is not None} == {"ending", "exit_status"}
    assert set(run) >= {"started", "ended", "host", "scheduler_job_id", "reason", "gpus"}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(RUN.replace(TOKEN, EARLIER).encode(), id="another run's"),
        pytest.param(RUN.partition("ending")[0].encode(), id="the job still runs"),
        pytest.param(b"", id="disk full"),
        pytest.param(b"token \xff\n", id="no text"),
    ],
)
def test_what_is_no_account_of_this_run_is_left_out(folder: Path, content: bytes) -> None:
    (folder / f"dispatch.run.{TOKEN}").write_bytes(content)

    assert "run" not in merged(folder)
    assert load_record(folder / "dispatch.json").run is None


def test_an_earlier_record_finds_the_files_of_its_own_run(folder: Path) -> None:
    write(folder, {**SUBMITTED, "token": EARLIER, "job_id": None}, "dispatch.json.1")
    (folder / f"dispatch.run.{EARLIER}").write_text(RUN.replace(TOKEN, EARLIER))
    write_watcher(folder, EARLIER, "18")

    earlier, current = (
        load_record(folder / "dispatch.json.1"),
        load_record(folder / "dispatch.json"),
    )

    assert earlier.run and not current.run
    assert earlier.merged["watcher"] == {"job_id": "18"} and not current.has_watcher
    assert earlier.job_id == "17", "its script knew it"


def test_a_record_of_0_1_0_is_read_as_it_is(folder: Path) -> None:
    whole = {**SUBMITTED, "watcher": {"job_id": "9"}, "run": {"ending": "SUCCESS", "gpus": None}}
    write(folder, whole)
    (folder / f"dispatch.run.{TOKEN}").write_text(RUN)
    write_watcher(folder, TOKEN, "18")

    record = load_record(folder / "dispatch.json")

    assert record.merged == whole
    assert record.run and record.run.reason is None
    assert record.has_watcher


@pytest.mark.parametrize(
    ("watcher", "warning", "merges"),
    [
        ("18", None, {"job_id": "18"}),
        (None, "Invalid\npartition", {"job_id": None, "warning": "Invalid partition"}),
    ],
)
def test_the_note_on_the_watcher_is_made_once(
    folder: Path, watcher: str | None, warning: str | None, merges: dict[str, Any]
) -> None:
    write_watcher(folder, TOKEN, watcher, warning)
    write_watcher(folder, TOKEN, "99")

    assert merged(folder)["watcher"] == merges
    assert watcher_file(folder, TOKEN).read_text().startswith(f"{watcher or '-'}\n")


@pytest.mark.parametrize(
    ("owner", "job_id"),
    [
        ("gpu1, process 7, 2026-11-28T05:11:14.374672831, job 17", "17"),
        ("gpu1, which told the end of it, job 17", "17"),
        ("gpu1, process 7, 2026-11-28T05:11:14.374672831, job ", None),
        ("gives up", None),
        (None, None),
    ],
)
def test_a_job_whose_hook_was_killed_is_known_by_its_claim(
    folder: Path, owner: str | None, job_id: str | None
) -> None:
    write(folder, {**SUBMITTED, "job_id": None})
    if owner == "gives up":
        give_up(folder, TOKEN)
    elif owner:
        (folder / f".dispatch_claim.{TOKEN}").symlink_to(owner)

    assert load_record(folder / "dispatch.json").job_id == job_id


@pytest.mark.parametrize("text", ["", "[1]", '{"job_id": ', '{"image": "relion"}', '{"run": 3}'])
def test_what_is_no_record_is_said(folder: Path, text: str) -> None:
    (folder / "dispatch.json").write_text(text)

    with pytest.raises(ValueError):
        load_record(folder / "dispatch.json")
    assert read_record(folder) is None
