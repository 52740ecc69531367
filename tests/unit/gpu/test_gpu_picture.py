"""``relion-dispatch gpu fit --plot``."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from matplotlib.image import imread

from dispatcher.gpu.plot import stretches
from dispatcher.gpu.table import CARDS

from .gpu_calls import REFINE3D, Run


def words(picture: Path) -> list[str]:
    """What is written in an SVG that matplotlib drew."""
    return re.findall(r"<!-- (.*?) -->", picture.read_text())


def test_the_picture_is_drawn(gpu: Run, tmp_path: Path) -> None:
    path = tmp_path / "ranks.png"
    assert f"Drawn: {path}" in gpu(f"fit --box 256 --plot {path} -- {REFINE3D} --j 4")
    picture = imread(path)

    assert picture.shape == (540, 1100, 4)
    assert len({tuple(pixel) for row in picture[50:500] for pixel in row.tolist()}) > 100


def test_the_picture_tells_what_it_is_of(gpu: Run, tmp_path: Path) -> None:
    path = tmp_path / "ranks.svg"
    gpu(f"fit --box 256 --gpu-memory 22528M --plot {path} -- {REFINE3D} --j 4")
    written = words(path)

    assert "1 class in 3D, padding 2, 4 threads per rank, by the relion model" in written
    assert "256 pixels" in written
    assert [word for word in written if word.endswith(" GiB")] == [
        f"{size} GiB" for size in sorted((22, *CARDS))
    ]


def test_a_bar_holds_a_stretch_for_each_number_of_ranks() -> None:
    found = list(stretches(range(100, 700, 100), [30, 12, 2, 2, 1, 0]))

    assert found == [(100, 300, 12), (300, 500, 2), (500, 600, 1), (600, 600, 0)]


def test_the_numbers_in_the_picture_are_those_of_the_answer(gpu: Run, tmp_path: Path) -> None:
    path = tmp_path / "ranks.svg"
    told = [
        re.findall(
            r"ranks per GPU: (\d+)",
            gpu(f"fit --box {box} --gpu-memory 16G --plot {path} -- {REFINE3D} --j 4"),
        )
        for box in (64, 400)
    ]

    names = words(path)
    bars = names[names.index("141 GiB") + 1 :]  # what is written in them, from the lowest up
    assert [word for word in bars if re.fullmatch(r"\d+|does not fit", word)][:3] == [
        *told[0],
        *told[1],
        "does not fit",
    ]


def test_a_picture_that_cannot_be_written_is_an_error(gpu: Run, tmp_path: Path) -> None:
    wrong = gpu(f"fit --box 256 --plot {tmp_path}/ranks.odd", status=1)
    assert "needs the ending .png, .svg or .pdf" in wrong
    nowhere = gpu(f"fit --box 256 --plot {tmp_path}/no/ranks.png", status=1)
    assert "cannot be written (No such file or directory)" in nowhere


def test_without_matplotlib_the_picture_is_refused(
    gpu: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)

    says = gpu(f"fit --box 9 --plot {tmp_path}/a.png", status=1)
    assert "--plot needs the library matplotlib" in says
