"""``relion-dispatch check`` names the images whose programs would download weights at first use."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dispatcher.images import inspect
from dispatcher.site.check import problems

from ...fixture_types import WriteSite

pytestmark = pytest.mark.usefixtures("images", "programs")

PYTHON = ["relion_python_blush", "relion_python_modelangelo", "relion_python_topaz"]
Build = Callable[..., None]


@pytest.fixture
def build(images: Path) -> Build:
    """Change the first build of the catalogue: ``build(weights="weights")``."""

    def change(**keys: Any) -> None:
        catalogue = json.loads(images.read_text())
        catalogue["relion"]["versions"]["5.1.0"][0] |= {"programs": PYTHON, **keys}
        images.write_text(json.dumps(catalogue))

    return change


def test_an_image_without_a_folder_of_weights_is_named_with_its_programs(build: Build) -> None:
    build()

    (problem,) = problems()

    assert "relion 5.1.0 (cuda) has no folder of weights" in problem
    assert "relion_python_blush and relion_python_modelangelo will download" in problem


def test_a_folder_that_lacks_weights_is_named(build: Build, site: WriteSite) -> None:
    folder = site("site.json", {}).parent / "weights"
    (folder / "hub/checkpoints/relion_blush").mkdir(parents=True)
    build(weights="weights")

    (problem,) = problems()

    assert f"the folder of weights {folder} has no hub/checkpoints/model_angelo_v1.0" in problem
    assert "relion_python_modelangelo cannot write there" in problem


def test_weights_in_the_image_itself_or_elsewhere_are_in_order(
    build: Build, site: WriteSite
) -> None:
    build(own_weights=["model_angelo_v1.0", "relion_blush"])
    assert problems() == []

    build(own_weights=[])
    site("site.json", {"apptainer": {"environment": ["TORCH_HOME"]}})
    assert problems() == []


@pytest.mark.parametrize("told", ["by the wrapper", "by TORCH_HOME"])
def test_an_image_is_asked_for_the_weights_in_it(told: str, tmp_path: Path) -> None:
    """The shell that `images add` starts in the image, here without a container."""
    home, wrapper = tmp_path / "weights", tmp_path / "in image" / "relion_python_blush"
    (home / "hub/checkpoints/relion_blush").mkdir(parents=True)
    (home / "hub/checkpoints/one.pt").touch()
    wrapper.parent.mkdir()
    inside = home if told == "by the wrapper" else ""
    wrapper.write_text(f'#!/bin/sh\ntorch_home="{inside}"\n')
    wrapper.chmod(0o755)
    environment = {"PATH": f"{wrapper.parent}:{os.environ['PATH']}"}
    if told == "by TORCH_HOME":
        environment["TORCH_HOME"] = str(home)

    asked = subprocess.run(
        ["sh", "-c", inspect._QUESTIONS], env=environment, capture_output=True, text=True
    )

    assert asked.stdout.partition("== weights\n")[2].split() == ["relion_blush"]
