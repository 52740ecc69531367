"""The last lines of run.out and run.err."""

from __future__ import annotations

import os
from pathlib import Path

from dispatcher.jobs.last_lines import last_lines

BAR = '000/??? sec ~~(,_,">  [oo]\r   1/  60 sec ~~(,_,">\r  60/  60 sec ....~~(,_,">\n'


def test_the_last_lines_without_empty_ones(tmp_path: Path) -> None:
    file = tmp_path / "run.out"
    file.write_text("".join(f"line {number}\n\n" for number in range(1000)))

    assert last_lines(file, 3) == ["line 997", "line 998", "line 999"]
    assert last_lines(file, 0) == []


def test_a_progress_bar_is_shown_in_its_last_state(tmp_path: Path) -> None:
    file = tmp_path / "run.out"
    file.write_text(f" Expectation iteration 3 of 25\n{BAR} Maximization ...\n 0/ 9 sec\r 5/ 9 sec")

    assert last_lines(file, 9) == [
        " Expectation iteration 3 of 25",
        '  60/  60 sec ....~~(,_,">',
        " Maximization ...",
        " 5/ 9 sec",
    ]


def test_a_bar_that_was_written_and_wiped_is_no_line_of_blanks(tmp_path: Path) -> None:
    file = tmp_path / "run.out"
    file.write_text("before\n 1/ 9 sec\r          \r\n")

    assert last_lines(file, 9) == ["before", " 1/ 9 sec"]


def test_a_file_of_a_terabyte_and_what_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "run.out"
    with file.open("wb") as stream:
        stream.truncate(1 << 40)
        stream.seek(0, os.SEEK_END)
        stream.write(b"\n\xff\x00last\n")

    found = last_lines(file, 1)

    assert found is not None
    assert found[0].endswith("last")


def test_no_file_a_pipe_and_an_empty_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").touch()

    assert last_lines(tmp_path / "run.out", 5) is None
    assert last_lines(tmp_path / "pipe", 5) is None
    assert last_lines(tmp_path / "empty", 5) == []
