"""A run of real RELION is sized alike from its command and from the files it leaves behind."""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from dispatcher.memory.gpu_pool import coarse_bytes
from dispatcher.memory.read_refinement import refinement_of
from dispatcher.relion import star
from dispatcher.relion.command import parse_command

COMMON = (
    "--i particles.star --o Class3D/run --iter 1 --pad 1 --particle_diameter 100 --zero_mask "
    "--flatten_solvent --oversampling 1 --offset_range 5 --offset_step 2 --norm --scale --j 2"
)


@pytest.mark.parametrize("major", ["3", "5"])
@pytest.mark.parametrize(
    ("arguments", "orientations", "factors"),
    [
        ("--ref reference.mrc --ini_high 40 --K 2 --healpix_order 1 --sym C2", 24 * 12, (8, 4)),
        ("--K 3 --psi_step 20", 32, (2, 4)),  # 18 on a CPU; a multiple of 32 on a GPU
        (
            "--ref reference.mrc --ini_high 40 --healpix_order 2 --sigma_ang 5 --maxsig 50",
            4 * 3,  # in a cone of 15 degrees
            (8, 4),
        ),
    ],
    ids=["3d", "2d", "local"],
)
def test_sampling_of_a_continued_run(
    tmp_path: Path,
    particles: Path,
    images: dict[str, Path],
    major: str,
    arguments: str,
    orientations: int,
    factors: tuple[int, int],
) -> None:
    for file in particles.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "Class3D").mkdir()
    line = f"relion_refine {COMMON} {arguments}"
    container = [os.environ["RELION_TEST_APPTAINER"], "exec", "--bind", tmp_path, images[major]]
    done = subprocess.run(
        [*container, *shlex.split(line)], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]

    started = refinement_of(parse_command(line), tmp_path)
    again = "relion_refine --continue Class3D/run_it001_optimiser.star"
    continued = refinement_of(parse_command(again), tmp_path)

    assert started.search.first == started.search.finest == orientations
    assert (started.search.shifts, started.search.rotation_factor) == (21, factors[0])
    assert started.search.shift_factor == factors[1]
    search = started.search
    if major == "3":  # RELION 3.1 keeps no --maxsig in its files: a continued run has no limit
        search = replace(search, significant=0)
    assert continued == replace(started, source=continued.source, image_box=0, search=search)
    # No particle has more significant poses than were tried.
    found = star.read_block(tmp_path / "Class3D/run_it001_data.star", "particles")
    significant = [int(text) for text in found.column("_rlnNrOfSignificantSamples")]
    tried = started.classes * orientations * 21
    assert coarse_bytes(started) == 24 * tried + 44 * started.classes * orientations
    assert 0 < max(significant) <= (started.search.significant or tried)
