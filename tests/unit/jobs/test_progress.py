"""How far a refinement is, by the times of its files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dispatcher.jobs.progress import Progress, iteration_reached, progress_of_run

BEGIN = 1_700_000_000.0  # seconds since 1970, when RELION wrote the submission script
OPTIMISER = """
# version 50001

data_optimiser_general

_rlnOutputRootName          Class3D/job020/run
_rlnCurrentIteration        {iteration}
_rlnNumberOfIterations      {of}
_rlnDoAutoRefine            {auto}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A job's folder with a submission script of BEGIN."""
    script = tmp_path / "run_submit.script"
    script.touch()
    os.utime(script, (BEGIN, BEGIN))
    return tmp_path


def write(
    folder: Path, iteration: int, after: float, *, of: int = 25, auto: int = 0, root: str = "run"
) -> None:
    """The files of an iteration, so many seconds after BEGIN; the optimiser's is the last."""
    for name in ("data", "model", "optimiser"):
        file = folder / f"{root}_it{iteration:03}_{name}.star"
        file.write_text(OPTIMISER.format(iteration=iteration, of=of, auto=auto))
        os.utime(file, (BEGIN + after, BEGIN + after))


def test_the_end_of_a_classification_is_expected_by_the_median_of_its_last_iterations(
    folder: Path,
) -> None:
    for iteration, after in enumerate((10, 20, 30, 130, 230, 330, 1330, 1430)):
        write(folder, iteration, after)

    found = progress_of_run(folder, BEGIN + 1440)

    # 100 s each, in spite of the quick first ones and a slow one
    assert found == Progress(7, 25, 100, BEGIN + 1430 + 18 * 100)


def test_an_iteration_that_takes_longer_moves_the_end(folder: Path) -> None:
    for iteration in range(4):
        write(folder, iteration, 100 * iteration + 100, of=5)

    assert progress_of_run(folder, BEGIN + 1000).end == BEGIN + 1000 + 100


def test_a_vdam_run_writes_each_tenth_iteration(folder: Path) -> None:
    for iteration in (0, 10, 20, 30):
        write(folder, iteration, 10 + 6 * iteration, of=200)

    assert progress_of_run(folder, BEGIN + 200) == Progress(30, 200, 6, BEGIN + 190 + 170 * 6)
    assert progress_of_run(folder, BEGIN + 900).end == BEGIN + 900 + 160 * 6


def test_an_auto_refinement_has_no_end_that_anybody_knows(folder: Path) -> None:
    for iteration in range(4):
        write(folder, iteration, 300 * iteration + 5, of=999, auto=1)

    assert progress_of_run(folder, BEGIN + 950) == Progress(3, None, 300, None)


def test_a_continued_run_counts_by_itself(folder: Path) -> None:
    for iteration in range(16):
        write(folder, iteration, -5000 + 10 * iteration)
    write(folder, 16, 200, root="run_ct15", of=30)
    one = progress_of_run(folder, BEGIN + 210)
    write(folder, 17, 400, root="run_ct15", of=30)

    assert one == Progress(16, 30, None, None)
    assert progress_of_run(folder, BEGIN + 410) == Progress(17, 30, 200, BEGIN + 400 + 13 * 200)


def test_files_of_an_earlier_run_do_not_count(folder: Path) -> None:
    for iteration in range(26):
        write(folder, iteration, -5000 + iteration)

    assert progress_of_run(folder, BEGIN + 10) == Progress()
    assert iteration_reached(folder) == 25


def test_the_last_iteration_has_no_end_to_come(folder: Path) -> None:
    for iteration in range(26):
        write(folder, iteration, 10 * iteration + 1)

    assert progress_of_run(folder, BEGIN + 260) == Progress(25, 25, 10, None)


@pytest.mark.parametrize(
    "text", ["", "data_optimiser_general\n\n_rlnNumberOf", "\0\xff", OPTIMISER]
)
def test_an_optimiser_that_cannot_be_read_leaves_what_the_files_tell(
    text: str, folder: Path
) -> None:
    for iteration in range(3):
        write(folder, iteration, 60 * iteration + 1)
    (folder / "run_it002_optimiser.star").write_text(text)
    os.utime(folder / "run_it002_optimiser.star", (BEGIN + 121, BEGIN + 121))

    assert progress_of_run(folder, BEGIN + 130) == Progress(2, None, 60, None)


def test_files_without_an_order_in_time_tell_no_minutes(folder: Path) -> None:
    """As in a copy of a project without its times."""
    for iteration in range(3):
        write(folder, iteration, 7)

    assert progress_of_run(folder, BEGIN + 130) == Progress(2, 25, None, None)


def test_an_empty_folder_and_none_at_all(tmp_path: Path) -> None:
    assert progress_of_run(tmp_path, BEGIN) == Progress()
    assert progress_of_run(tmp_path / "nowhere", BEGIN) == Progress()
