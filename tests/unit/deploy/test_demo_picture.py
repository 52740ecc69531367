"""The picture at the demo's end: three slices of the map, and the FSC of its half maps."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from deploy.demo_particles import PIXEL_SIZE, blob_map
from deploy.demo_picture import THRESHOLD, agreement, draw, slices
from dispatcher.errors import InputError

# Of the demo's Refine3D by RELION 5.1.0, up to the table of groups.
MODEL = Path(__file__).with_name("run_model.star")


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """The folder of a Refine3D job with a map of 128 Å and what RELION says of its half maps."""
    folder = tmp_path / "Refine3D" / "job019"
    folder.mkdir(parents=True)
    shutil.copyfile(MODEL, folder / "run_model.star")
    with mrcfile.new(folder / "run_class001.mrc") as file:
        file.set_data(blob_map())
        file.voxel_size = PIXEL_SIZE
    return folder


def words(picture: Path) -> set[str]:
    """What is written in an SVG that matplotlib drew."""
    return set(re.findall(r"<!-- (.*?) -->", picture.read_text()))


def test_relion_takes_the_last_shell_before_the_threshold_for_the_resolution() -> None:
    found = agreement(MODEL)

    last = int(np.argmax(found.fsc < THRESHOLD)) - 1
    assert found.fsc[last] == 0.223290
    assert found.resolution == pytest.approx(1 / found.frequencies[last], abs=1e-4)


def test_the_slices_are_named_by_their_axes() -> None:
    density = np.zeros((8, 8, 8), np.float32)
    density[4, 4, 7], density[4, 6, 4], density[5, 4, 4] = 1, 2, 3  # on x, on y, on z
    found = slices(density)

    assert (found["xy"][4, 7], found["xy"][6, 4]) == (1, 2)
    assert (found["xz"][4, 7], found["xz"][5, 4]) == (1, 3)
    assert (found["yz"][4, 6], found["yz"][5, 4]) == (2, 3)


def test_the_picture_tells_resolution_threshold_and_scale(job: Path, tmp_path: Path) -> None:
    picture = tmp_path / "result.svg"
    draw(job, picture)

    assert words(picture) >= {
        "Refine3D/job019: 10.7 Å",
        "10.7 Å, the last shell above 0.143",
        "spatial frequency (1/Å)",
        "resolution (Å)",
        "xy slice through the middle",
        "yz slice through the middle",
        "20 Å",  # the bar's
        "0.143",
        "12",  # Å; the half maps end at 8
        "8",
    }


def test_a_job_without_half_maps_is_refused(job: Path) -> None:
    model = job / "run_model.star"
    text = model.read_text()
    shells = text.index("data_model_class_1")
    model.write_text(text[:shells] + text[shells:].replace("_rlnGoldStandardFsc", "_rlnOther"))

    with pytest.raises(InputError, match="has no FSC of half maps: give the folder of a Refine3D"):
        draw(job, job / "result.png")
    assert not (job / "result.png").exists()
