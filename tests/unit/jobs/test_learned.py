"""What a job's earlier runs have learned of memory, from its records."""

from __future__ import annotations

import json
import os
from pathlib import Path

from dispatcher.jobs.learned import learned_in
from dispatcher.ranks.learned import Learned

GOES_ON = {"after": ["gpu_memory"], "at_most": 10, "gives_up_after": 2}


def submission(folder: Path, name: str, token: str, *runs: str) -> None:
    record = {"token": token, "job_id": "17", "goes_on": GOES_ON}
    (folder / name).write_text(json.dumps(record))
    for number, lines in enumerate(runs, 1):
        (folder / f".dispatch_claim.{token}{f'.{number}' if number > 1 else ''}").symlink_to("h")
        text = f"token {token}\nrun {number}\nending GOES_ON\nwhy gpu_memory\n{lines}"
        (folder / f"dispatch.run.{token}.{number}").write_text(text)


def test_all_submissions_of_the_job_count(tmp_path: Path) -> None:
    submission(tmp_path, "dispatch.json.1", "a" * 12, "most_each 2\n", "most_each 1\n")
    submission(tmp_path, "dispatch.json.2", "b" * 12, "free_gpu_memory 2000\nmost_each 2\n")
    submission(tmp_path, "dispatch.json", "c" * 12, "most_ranks 5\nmemory_mib 65536\n")

    assert learned_in(tmp_path) == Learned(1, 5, 2000, 65536)


def test_a_job_without_records_has_learned_nothing(tmp_path: Path) -> None:
    assert learned_in(tmp_path) == Learned()


def test_what_a_lost_run_kept_to_counts(tmp_path: Path) -> None:
    submission(tmp_path, "dispatch.json", "a" * 12, "")
    (tmp_path / f"dispatch.run.{'a' * 12}.1").unlink()
    lease = tmp_path / f".dispatch_lease.{'a' * 12}.1"
    lease.write_text(f"token {'a' * 12}\nrun 1\nmost_each 2\n")

    assert learned_in(tmp_path) == Learned(2)


def test_what_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "dispatch.json").write_text("{")
    os.mkfifo(tmp_path / "dispatch.json.1")
    submission(tmp_path, "dispatch.json.2", "b" * 12, "most_each -2\n", "most_each 99999999999\n")

    assert learned_in(tmp_path) == Learned()
