"""The last iteration of a refinement that RELION has written whole (iterations.sh)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ..refinement_files import write_iteration, write_map
from .conftest import Shell

NEWEST = 'newest_whole_iteration . "$dispatch_job/run" "$dispatch_job/since" 1'


@pytest.fixture
def job(shell: Shell) -> Path:
    """A refinement of two iterations, whole, after the one with which it begins."""
    (shell.job / "since").touch()
    os.utime(shell.job / "since", (1, 1))
    for number in (0, 1, 2):
        write_iteration(shell.job, number)
    return shell.job


def test_the_newest_iteration_counts(shell: Shell, job: Path) -> None:
    assert shell.says(NEWEST) == "Refine3D/job001/run_it002_optimiser.star"
    write_iteration(job, 11)
    assert shell.says(NEWEST) == "Refine3D/job001/run_it011_optimiser.star"
    assert shell.says('iteration_in "Refine3D/job001/run_ct2_it011_optimiser.star"') == "11"


def test_a_refinement_without_a_finished_iteration_has_none(shell: Shell) -> None:
    (shell.job / "since").touch()
    write_iteration(shell.job, 0)

    assert shell.says(f"{NEWEST} || echo none") == "none"


def test_of_some_refinements_the_first_iteration_does_not_count(shell: Shell, job: Path) -> None:
    least = NEWEST.replace(" 1", " 2")
    assert shell.says(least) == "Refine3D/job001/run_it002_optimiser.star"
    (job / "run_it002_sampling.star").unlink()
    assert shell.says(NEWEST) == "Refine3D/job001/run_it001_optimiser.star"
    assert shell.says(least) == ""


def test_iterations_of_an_earlier_submission_do_not_count(shell: Shell, job: Path) -> None:
    write_iteration(job, 25)
    for file in job.glob("run_it025_*"):
        os.utime(file, (0, 0))

    assert shell.says(NEWEST) == "Refine3D/job001/run_it002_optimiser.star"


def test_a_continued_refinement_has_a_root_of_its_own(shell: Shell, job: Path) -> None:
    write_iteration(job, 3, "run_ct2")

    assert shell.says(NEWEST) == "Refine3D/job001/run_it002_optimiser.star"
    assert shell.says(NEWEST.replace("/run ", "/run_ct2 ").replace('/run"', '/run_ct2"')) == (
        "Refine3D/job001/run_ct2_it003_optimiser.star"
    )


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def without_last_table(path: Path) -> None:
    text = path.read_text()
    path.write_text(text[: text.rindex("# version")] if text.count("# version") > 1 else text[:9])


def zeros(path: Path) -> None:
    """As a node leaves a file that crashed before its disk had it."""
    path.write_bytes(bytes(path.stat().st_size))


@pytest.mark.parametrize("spoil", [cut, empty, zeros, Path.unlink, without_last_table])
@pytest.mark.parametrize("part", ["optimiser", "half1_model", "half2_model", "data", "sampling"])
def test_an_iteration_with_a_file_that_is_not_whole_does_not_count(
    part: str, spoil: Callable[[Path], None], shell: Shell, job: Path
) -> None:
    spoil(job / f"run_it002_{part}.star")

    assert shell.says(NEWEST) == "Refine3D/job001/run_it001_optimiser.star"


@pytest.mark.parametrize("spoil", [cut, empty, zeros, Path.unlink])
def test_an_iteration_with_a_map_that_is_not_whole_does_not_count(
    spoil: Callable[[Path], None], shell: Shell, job: Path
) -> None:
    spoil(job / "run_it002_half2_class001.mrc")

    assert shell.says(NEWEST) == "Refine3D/job001/run_it001_optimiser.star"


def test_a_map_that_no_star_file_names_counts_as_well(shell: Shell, job: Path) -> None:
    moment = job / "run_it002_half1_1moment001.mrc"
    write_map(moment)
    assert shell.says(NEWEST) == "Refine3D/job001/run_it002_optimiser.star"
    cut(moment)
    assert shell.says(NEWEST) == "Refine3D/job001/run_it001_optimiser.star"


@pytest.mark.parametrize("label", ["GradMoment1", "GradMoment2", "SGDGradientImage"])
def test_the_moments_and_gradients_that_a_model_names_count(
    label: str, shell: Shell, job: Path
) -> None:
    model = job / "run_it002_half1_model.star"
    row = "Refine3D/job001/run_it002_half1_class001.mrc"
    moment = row.replace("class", "moment")
    text = model.read_text().replace("Image #1\n", f"Image #1\n_rln{label} #2\n")
    model.write_text(text.replace(row, f"{row} {moment}"))
    assert shell.says(NEWEST) == "Refine3D/job001/run_it001_optimiser.star"
    write_map(shell.project / moment)
    assert shell.says(NEWEST) == "Refine3D/job001/run_it002_optimiser.star"


def test_what_was_begun_after_an_iteration_goes_and_nothing_else(shell: Shell, job: Path) -> None:
    write_iteration(job, 3)
    write_iteration(job, 25)
    for file in job.glob("run_it025_*"):
        os.utime(file, (0, 0))
    (job / "run_it002_notes.txt").touch()

    shell(
        'forget_later_iterations . "$dispatch_job/run" "$dispatch_job/run_it002_optimiser.star" '
        '"$dispatch_job/since"'
    )

    assert not list(job.glob("run_it003_*"))
    assert len(list(job.glob("run_it025_*"))) == 7, "another submission's"
    assert len(list(job.glob("run_it002_*"))) == 8
    assert shell.says('cd "$dispatch_job"; last_table run_it001_half1_model.star') == (
        "data_model_classes"
    )


def test_an_iteration_is_as_whole_as_its_tables_and_maps(shell: Shell, job: Path) -> None:
    optimiser = "Refine3D/job001/run_it002_optimiser.star"
    model = "Refine3D/job001/run_it002_half1_model.star"
    assert shell.says(f"is_whole_iteration . {optimiser}; echo $?") == "0"
    assert shell.says(f"star_values {optimiser} rlnCurrentIteration rlnNothing") == "2"
    assert shell.says(f"maps_of_model {model}") == "Refine3D/job001/run_it002_half1_class001.mrc"
    assert shell.says(f"is_whole_star {model}; echo $?") == "0"
    assert shell.says(f"is_whole_map {model}; echo $?") == "1"
    first = "Refine3D/job001/run_it000_half1_model.star"
    assert shell.says(f"same_file_of_first_iteration {model}") == first
    assert shell.says('iterations_of "$dispatch_job/run" "$dispatch_job/since" 1 | sort') == (
        "Refine3D/job001/run_it001_optimiser.star\nRefine3D/job001/run_it002_optimiser.star"
    )


def test_a_table_that_is_cut_lacks_the_blank_line_at_its_end(shell: Shell) -> None:
    for name, text in (("whole", "1\n \n"), ("cut", "10\n"), ("crashed", "1\0\n \n")):
        (shell.project / name).write_text(text)
    assert shell.says("end_with_table whole cut crashed").split() == ["yes", "no", "yes"]
    ask = "for f in whole cut crashed none; do ! is_whole_table $f || echo $f; done"
    assert shell.says(ask) == "whole"
