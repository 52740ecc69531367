"""``relion-dispatch gpu fit --plot``."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from matplotlib.image import imread

from dispatcher.gpu.plot import COLOURS
from dispatcher.gpu.table import CARDS

from .gpu_calls import REFINE3D, Run


def test_the_picture_is_drawn(gpu: Run, tmp_path: Path) -> None:
    path = tmp_path / "ranks.png"
    assert f"Drawn: {path}" in gpu(f"fit --box 256 --plot {path} -- {REFINE3D} --j 4")
    picture = imread(path)

    assert picture.shape == (700, 1100, 4)
    colours = {tuple(pixel) for row in (picture * 255).astype(int).tolist() for pixel in row}
    drawn = [tuple(bytes.fromhex(colour[1:])) for colour in COLOURS[: len(CARDS)]]
    assert {(*colour, 255) for colour in drawn} <= colours


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
