"""The number of particles, estimated from the beginning of a file."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from dispatcher.memory.host_memory import Particles
from dispatcher.memory.particle_count import SAMPLE, estimated_rows, particles
from dispatcher.relion.command import Command, parse_command

OPTICS = "\n# version 30001\n\ndata_optics\n\nloop_ \n_rlnOpticsGroup #1 \n_rlnImageSize #2 \n"


def write_particles(path: Path, rows: int) -> None:
    """A particle file as RELION writes it: rows of almost one length."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as stream:
        stream.write(OPTICS + "           1          256 \n \n\n# version 30001\n\n")
        stream.write("data_particles\n\nloop_ \n_rlnImageName #1 \n_rlnDefocusU #2 \n")
        stream.writelines(
            f"{n:06d}@Extract/job006/{n % 977}.mrcs {10000 + n:12.6f} \n" for n in range(rows)
        )
        stream.write(" \n")


def refine(options: str) -> Command:
    return parse_command(f"relion_refine_mpi {options}")


@pytest.mark.parametrize("rows", [1, 7, SAMPLE - 1])
def test_small_files_are_counted(rows: int, tmp_path: Path) -> None:
    write_particles(tmp_path / "particles.star", rows)
    assert estimated_rows(tmp_path / "particles.star") == rows


@pytest.mark.parametrize("rows", [5_000, 40_000])
def test_large_files_are_estimated_within_a_hundredth(rows: int, tmp_path: Path) -> None:
    write_particles(tmp_path / "particles.star", rows)

    assert estimated_rows(tmp_path / "particles.star") == pytest.approx(rows, rel=0.01)


def test_a_file_without_rows_has_none(tmp_path: Path) -> None:
    path = tmp_path / "particles.star"
    path.write_text("data_\n\nloop_\n_rlnImageName #1\n")
    assert estimated_rows(path) == 0
    path.write_text("data_")
    assert estimated_rows(path) == 0


def test_a_stack_says_how_many_images_it_has(tmp_path: Path) -> None:
    header = struct.pack("<4i", 64, 64, 321, 2) + bytes(1008)
    (tmp_path / "stack.mrcs").write_bytes(header + bytes(64 * 64))

    assert particles(refine("--i stack.mrcs"), tmp_path).number == 321


def test_a_continued_run_names_its_particles(tmp_path: Path) -> None:
    write_particles(tmp_path / "run_it010_data.star", 12)
    (tmp_path / "run_it010_optimiser.star").write_text(
        "data_optimiser_general\n\n_rlnExperimentalDataStarFile run_it010_data.star\n"
    )

    assert particles(refine("--continue run_it010_optimiser.star"), tmp_path).number == 12


def test_a_tomography_set_names_its_particles(tmp_path: Path) -> None:
    write_particles(tmp_path / "particles.star", 12)
    (tmp_path / "set.star").write_text("data_\n\n_rlnTomoParticlesFile particles.star\n")

    assert particles(refine("--ios set.star"), tmp_path).number == 12


@pytest.mark.parametrize("given", ["--i $DATA/particles.star", "--i missing.star", "--i a.txt", ""])
def test_what_no_file_tells_is_no_ground_for_refusal(given: str, tmp_path: Path) -> None:
    assert particles(refine(given), tmp_path) == Particles(0, "none")


@pytest.mark.parametrize(
    ("options", "preread"),
    [
        ("--preread_images", "every rank"),
        ("--preread_images --no_parallel_disc_io", "leader"),
        ("--preread_images --scratch_dir /scratch", "every rank"),
        ("--no_parallel_disc_io", "none"),
    ],
)
def test_who_reads_the_particles_in_beforehand(options: str, preread: str, tmp_path: Path) -> None:
    assert particles(refine(f"--i a.star {options}"), tmp_path).preread == preread
