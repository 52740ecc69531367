"""What programs write for each of their inputs, and what a cut leaves of it (outputs.sh)."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from ..refinement_files import write_map
from .conftest import TOKEN, Shell
from .goes_on import GOES_ON, SECOND, UNFINISHED

pytestmark = pytest.mark.usefixtures("library_file")


def test_other_programs_go_on_with_what_is_not_finished(shell: Shell, control: Path) -> None:
    shell("remove_half_written")  # there is nothing yet
    folder = shell.job / "Movies"
    folder.mkdir()
    write_map(folder / "whole.mrcs")
    (folder / "whole.star").write_text("data_\n\nloop_\n_rlnX #1\n1\n \n")
    (folder / "name\nwhole.star").write_text("x")
    for name in ("cut.mrc", "cut.star", "cut_extract.txt", "empty.star", "a.txt", "old.txt"):
        (folder / name).write_text("" if name == "empty.star" else "x")
    for name, end in (("whole", "\n"), ("cut", " mov"), ("zeros", "\0")):
        (folder / f"{name}.eps").write_text(f"675 90 5 0 360 arc\n400.714 90{end}")
        (folder / f"{name}.log").write_text(f"Written{end}")
    for file in folder.iterdir():
        age = 300 if file.name.startswith("old") else 30 if "cut" in file.name else 0
        os.utime(file, (1_800_000_000 - age, 1_800_000_000 - age))

    said = shell.says(f'{SECOND}{UNFINISHED}; echo "$dispatch_from"; outputs | sort', given=GOES_ON)

    first, yes, *left = said.split("\n")
    assert first == "relion-dispatch: Run 2 of the job goes on with what is not finished."
    assert yes == "yes"
    kept = ["old.txt", "whole.eps", "whole.log", "whole.mrcs", "whole.star"]
    assert [Path(each).name for each in left if "/" in each and "name" not in each] == kept
    assert shell.says("last_output; files_written -name '*.mrcs' | wc -l") == "1800000000\n1"
    assert shell.says("cut_tables") == ""


def test_what_somebody_saves_while_the_next_run_waits_stays(shell: Shell, control: Path) -> None:
    """Nor does it hide what was cut long before it."""
    cut = 1_800_000_000
    record = shell.job / f"dispatch.run.{TOKEN}.1"
    saved = {"notes.txt": "look at these", "subset.star": "data_\n\nloop_\n_rlnX #1\n1\n"}
    files = {"m1.txt": "cut", "m2.star": "data_\n\nloop_\n_rlnX", "m0.txt": "whole"}
    for name, text in (files | saved).items():
        (shell.job / name).write_text(text)
        at = cut + 1200 if name in saved else cut - 120 if name == "m0.txt" else cut
        os.utime(shell.job / name, (at, at))
    record.write_text("done 0\n")
    os.utime(record, (cut - 5, cut - 5))  # the file server may get a program's last bytes later

    said = shell.says(f"{SECOND}{UNFINISHED} >/dev/null; outputs", given=GOES_ON)

    left = {Path(each).name for each in said.split("\n")}
    assert left == {"m0.txt", "notes.txt", "subset.star"}


def test_programs_that_a_run_could_not_end_may_have_written_at_any_time(shell: Shell) -> None:
    ask = f"{SECOND}end_of_run_before"
    assert shell.says(ask) == "", "it has no record"
    record = shell.job / f"dispatch.run.{TOKEN}.1"
    record.touch()
    os.utime(record, (5, 5))
    assert shell.says(ask) == "5"
    (shell.job / f".dispatch_lease.{TOKEN}.1").touch()
    assert shell.says(ask) == ""


def test_what_an_earlier_submission_has_written_stays(shell: Shell, control: Path) -> None:
    folder = shell.job / "Movies"
    folder.mkdir()
    (folder / "mic1.mrc").write_text("cut")
    (folder / "mic1_PS.mrc").write_text("cut")
    old = folder / "mic1_2.mrc"
    old.write_text("finished")
    os.utime(old, (0, 0))
    shell("remove_half_written")
    assert list(folder.iterdir()) == [old]


def test_tables_that_are_cut_are_found_whatever_their_names(shell: Shell) -> None:
    folder = shell.job / "Movies"
    folder.mkdir()
    for name, end in (("cut", "1\n"), ("cut\nin\ttwo", "1\n "), ("whole\nin\ttwo", "1\n \n")):
        (folder / f"{name}.star").write_text(f"data_\n\nloop_\n_rlnX #1\n{end}")
    for number in range(1000):
        (folder / f"{number}.star").write_text("1\n \n" if number % 100 else "1\n1\n")

    found = shell.says("cut_tables").split("\0")

    cut = ["cut", "cut\nin\ttwo", *(str(each) for each in range(0, 1000, 100))]
    assert sorted(each.rsplit("/", 1)[-1] for each in found[:-1]) == sorted(
        f"{each}.star" for each in cut
    )


def test_outputs_of_inputs_in_the_projects_folder_lie_beside_the_jobs_own_files(
    shell: Shell, control: Path
) -> None:
    """decomposePipelineFileName() of RELION leaves the job out of the input's name."""
    others = (
        "run.out", "run.err", "run_submit.script.run", "dispatch.json", f"dispatch.run.{TOKEN}.1",
        ".dispatch.json.lock", "job.star", "job_pipeline.star", "default_pipeline.star", "note.txt",
        "RELION_OUTPUT_NODES.star",
    )  # fmt: skip
    for name in (*others, "mic1.log", "mic2.log", "run.mrc", "run_PS.mrc", "cut.star"):
        (shell.job / name).write_text("not all")
    write_map(shell.job / "mic1.mrc")
    for name in ("mic1.mrc", "mic1.log", "mic2.log", "run.mrc"):
        os.utime(shell.job / name, (1_900_000_000, 1_900_000_000))
    os.utime(shell.job / f"dispatch.run.{TOKEN}.1", (1_900_000_000, 1_900_000_000))
    os.utime(shell.job / "mic1.log", (1_800_000_000, 1_800_000_000))

    count = "outputs | wc -l"
    assert shell.says(count) == "6"
    said = shell.says(f"{SECOND}{UNFINISHED} >/dev/null; outputs; files_of_others", given=GOES_ON)

    *left, pattern = said.split("\n")
    assert sorted(Path(each).name for each in left) == ["mic1.log", "mic1.mrc"]
    assert all((shell.job / name).exists() for name in others)
    assert re.fullmatch(pattern, pattern.split("/(")[0] + "/run.out")
