"""Whose turn it is of those that were queued ahead: the job's script, its watcher and the commands
ask what lies in the job's folder, and find the same (queued_ahead.sh, jobs/queued_ahead.py)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from dispatcher.jobs.queued_ahead import whose_turn
from dispatcher.jobs.record import load_record

from .conftest import TOKEN, Shell
from .goes_on import CLAIM, RECORD

LINES = ("17\n18\n19\n", "17.pbs01\n18.pbs01\n19.pbs01\n")
# The jobs that have had the runs, as they see their ids.
RUNS = {
    "none has begun": (),
    "each in its turn": ("17", "18", "19"),
    "the first two": ("17.pbs01", "18.pbs01"),
    "the first one": ("17.pbs01",),
    "put back into the queue": ("17", "17"),
    "put back and followed": ("17.pbs01", "17.pbs01", "18.pbs01"),
    "more runs than places": ("17", "18", "18", "19", "19", "19"),
    "its twin": ("16",),
    "a twin after the first": ("17", "16"),
    "resumed": ("14", "15", "17.pbs01"),
    "an id that begins in the same way": ("171",),
    "without an id": ("",),
}
NEWEST = ("begun", "begins to compute", "computes", "was cut", "was lost", "lost at once", "ended")
# Claims that no run has made stand behind those of the runs.
CLAIMED = {"": "", "given up": "here, process 5, 2026, and gave the submission up",
           "told": "here, which told the end of it, job 18"}  # fmt: skip


class Folder:
    """The folder of a job that has next runs in the queue."""

    def __init__(self, path: Path, line: bytes | None) -> None:
        self.path = path
        path.mkdir()
        record = {"token": TOKEN, "job_id": "17"}
        goes_on = {"after": ["time_limit"], "at_most": 9, "gives_up_after": 2, "queued_ahead": 2}
        (path / "dispatch.json").write_text(json.dumps({**record, "goes_on": goes_on}))
        if line is not None:
            (path / f".dispatch_line.{TOKEN}").write_bytes(line)

    def claim(self, number: int, owner: str) -> None:
        name = CLAIM if number == 1 else f"{CLAIM}.{number}"
        (self.path / name).symlink_to(owner)

    def run(self, number: int, job: str, state: str) -> None:
        self.claim(number, f"gpu1, process 5, 2026, job {job}")
        own = f"token {TOKEN}\nrun {number}\n"
        known = f"{own}host gpu1\nscheduler_job_id {job}\n" if job else own
        lease = self.path / f".dispatch_lease.{TOKEN}.{number}"
        record = self.path / f"{RECORD}.{number}"
        match state:
            case "begins to compute":
                lease.touch()
            case "computes":
                lease.write_text(f"{known}started now\n")
            case "was cut":
                record.write_text(f"{known}ending GOES_ON\nwhy time_limit\n")
            case "was lost":
                lease.write_text(known)
                record.write_text(f"{known}ending GOES_ON\nwhy lost_node\n")
            case "lost at once":  # its lease was not yet written
                record.write_text(f"{own}ending GOES_ON\nwhy lost_node\n")
            case "ended":
                (self.path / RECORD).write_text(f"{known}ending FAILURE\n")

    def turn(self) -> str:
        return " ".join(whose_turn(load_record(self.path / "dispatch.json")))


def by_the_library(
    shell: Shell, folders: list[Folder], asks: str = "whose_turn | paste -sd ' '"
) -> list[str]:
    paths = " ".join(f"'{each.path}'" for each in folders)
    code = f'for dispatch_folder in {paths}; do echo "$({asks})"; done'
    return shell.says(code).split("\n")


def folders_of(tmp_path: Path, jobs: tuple[str, ...]) -> Iterator[tuple[str, Folder]]:
    states = NEWEST if jobs else NEWEST[:1]
    cases = product(LINES, states, ("was cut", "computes")[: len(jobs)] or ("",), CLAIMED)
    for number, (line, newest, before, claimed) in enumerate(cases):
        if newest == "ended" and claimed:
            continue
        folder = Folder(tmp_path / f"{number}", line.encode())
        for run, job in enumerate(jobs, 1):
            folder.run(run, job, newest if run == len(jobs) else before)
        if claimed:
            folder.claim(len(jobs) + 1, CLAIMED[claimed])
        yield f"{line.split()}, {newest} after {before}, {claimed}", folder


@pytest.mark.parametrize("jobs", RUNS.values(), ids=RUNS)
def test_the_script_and_the_commands_find_the_same(
    jobs: tuple[str, ...], shell: Shell, tmp_path: Path
) -> None:
    (tmp_path / "cases").mkdir()
    words, folders = zip(*folders_of(tmp_path / "cases", jobs), strict=True)
    found = by_the_library(shell, [*folders])
    assert dict(zip(words, found, strict=True)) == {
        each: folder.turn() for each, folder in zip(words, folders, strict=True)
    }


WRONG = (b"17\n-u\n18\n", b"17\n18 19\n", b"17\n\n18\n", b"\n17\n", b"17\n18\0\n",
         b"\0\0\0\n", b"-\n17\n", b"17\n" + b"1" * 201 + b"\n", b"17\n\xc3\xbc\n",
         b"17\r\n18\r\n", b"17\n18\t\n", b"17\n\x07\n")  # fmt: skip
RIGHT = (b"17\n18\n19\n", b"17\n18", b"17\n18\n\n", b"17[].pbs01\n", b"17\n" + b"1" * 200 + b"\n",
         b"$(date)\n17\n", b"*\n\\n\n", b"", b"\n", None)  # fmt: skip


def test_both_read_the_same_line_and_nothing_of_one_that_is_damaged(
    shell: Shell, tmp_path: Path
) -> None:
    lines = (*WRONG, *RIGHT)
    (tmp_path / "cases").mkdir()
    folders = [Folder(tmp_path / "cases" / f"{at}", line) for at, line in enumerate(lines)]

    found = by_the_library(shell, folders, 'jobs_in_line | tr "\\n" ,')

    records = [load_record(each.path / "dispatch.json") for each in folders]
    said = ["".join(f"{each}," for each in record.jobs_in_line) for record in records]
    assert dict(zip(lines, found, strict=True)) == dict(zip(lines, said, strict=True))
    assert {*found[: len(WRONG)]} == {""}
    assert found[len(WRONG)] == "17,18,19,"
