"""How it went: what a job script writes about its run, for others to read."""

from __future__ import annotations

import re

from .conftest import TOKEN, Shell


def test_how_it_went_is_a_file_of_lines_without_empty_values(shell: Shell) -> None:
    usage = "node1 GPU-1 2 1000 50 2 2000\nnode1 GPU-2 2 - - - -\n"

    shell(
        f"dispatch_gpu_usage='{usage}' dispatch_status=1 dispatch_ending=FAILURE\n"
        "dispatch_reason=$'a\\tb\\033 \"c\" ☃'; write_run"
    )

    (file,) = shell.job.iterdir()
    assert file.name == f"dispatch.run.{TOKEN}"
    lines = file.read_text().splitlines()
    assert re.fullmatch(r"ended \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", lines.pop(1))
    assert lines == [
        f"token {TOKEN}",
        "host here",
        "scheduler_job_id 17",
        "exit_status 1",
        "ending FAILURE",
        'reason a b  "c" ☃',
        "gpu node1 GPU-1 2 1000 50 2 2000",
        "gpu node1 GPU-2 2 - - - -",
    ]


def test_no_part_of_the_file_stays_if_the_disk_is_full(shell: Shell) -> None:
    shell('dispatch_ending=SUCCESS; new_file() { echo part >"$1"; return 1; }; write_run')

    assert list(shell.job.iterdir()) == []


def test_only_lines_on_gpus_count_as_their_use(shell: Shell) -> None:
    shell("""dispatch_gpu_usage='[{"gpu": 0}]'; write_run""")

    assert "gpu" not in (shell.job / f"dispatch.run.{TOKEN}").read_text()


def test_a_value_is_one_line(shell: Shell) -> None:
    assert shell.says("run_value key $'a\\nb'; run_value other ''") == "key a b"


def test_a_record_says_how_the_run_ended_and_why(shell: Shell) -> None:
    shell('write_record "$dispatch_folder/record" GOES_ON lost_node "It was lost."')
    said = (shell.job / "record").read_text().splitlines()
    assert {"ending GOES_ON", "reason It was lost."} <= {*said}
    assert not [line for line in said if line.startswith("why")], "this job has one run"
