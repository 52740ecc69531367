"""The random seed of a job that is run again, and what else may differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.relion.command import parse_command
from dispatcher.reproduction.random_seed import recorded_seed

from .recorded_jobs import (
    OPTIMISER,
    Dispatched,
    Started,
    options,
)

pytestmark = pytest.mark.usefixtures("images")


def test_the_seed_that_relion_drew_is_given(dispatched: Dispatched, started: Started) -> None:
    job = dispatched("relion-5.0.1/Class2D_job007")
    for iteration in ("000", "025"):
        (job.folder / f"run_it{iteration}_optimiser.star").write_text(OPTIMISER.format(1795516461))
    script = job.script()

    (argv,) = started(script)

    assert options(argv, "--random_seed") == ["1795516461"]
    assert "it then wrote to Class2D/job007/run_it000_optimiser.star" in script.read_text()


def test_a_seed_that_nothing_tells_is_said_to_be_lost(dispatched: Dispatched) -> None:
    job = dispatched("relion-5.0.1/Class2D_job007")

    done = job.reproduce()

    assert "the result will differ" in done.stderr
    assert "the result will differ" in done.stdout


@pytest.mark.parametrize(
    ("line", "seed"),
    [
        ("relion_refine --o Class2D/job001/run", 7),
        ("relion_refine_mpi --o Class2D/job001/run --random_seed -1", 7),
        ("relion_refine --o Class2D/job001/run --random_seed 3", None),
        ("relion_refine --o Class2D/job001/run --continue x_optimiser.star", None),
        ("relion_refine --o Job/job002/run", None),
        ("relion_autopick --odir Class2D/job001/", None),
    ],
)
def test_only_a_seed_from_the_clock_is_looked_up(
    tmp_path: Path, line: str, seed: int | None
) -> None:
    (tmp_path / "Class2D/job001").mkdir(parents=True)
    # Cleaning up a job in RELION leaves only its last optimiser file.
    (tmp_path / "Class2D/job001/run_optimiser.star").write_text(OPTIMISER.format(7))

    found = recorded_seed(parse_command(line), tmp_path)

    assert (found and found.value) == seed


@pytest.mark.parametrize(
    ("threads", "words", "says"),
    [
        (1, "", None),
        (4, "", "Several threads or ranks"),
        (1, "--center_classes", "RELION centres the classes"),
    ],
)
def test_what_may_keep_a_result_from_being_the_same_is_said(
    dispatched: Dispatched, threads: int, words: str, says: str | None
) -> None:
    line = "`which relion_refine` --i Extract/job006/particles.star --o Class2D/job001/run --K 2"
    job = dispatched(
        commands=f"{line} --random_seed 1 {words}",
        partitions={"p": {"cores": 4, "gpus": 0}},
        job_parameters={"submit": {"partition": "p"}, "class2d": {"nproc": 1, "nthread": threads}},
    )

    said = job.reproduce().stderr

    assert says in said if says else said == ""
