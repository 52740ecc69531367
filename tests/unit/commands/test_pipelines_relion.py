"""The RELION that made a project's pipeline, and a pin that is older."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.images.pins import pins
from dispatcher.relion.pipeline import older_than_pipeline, pipeline_major
from dispatcher.relion.version import major_version

from .pinned import PIPELINES, PinCommand


@pytest.mark.parametrize(
    ("written", "major"),
    [("3.1", 3), ("4.0", 4), ("5.1", 5), ("of tests", 3), ("3.0", None), ("empty", None)],
)  # fmt: skip
def test_the_pipeline_tells_its_relion(tmp_path: Path, written: str, major: int | None) -> None:
    (tmp_path / "default_pipeline.star").write_text(PIPELINES[written])

    assert pipeline_major(tmp_path) == major


def test_only_the_first_lines_of_a_pipeline_are_read(tmp_path: Path) -> None:
    damaged = PIPELINES["4.0"] + "a row of two\n" * 3
    (tmp_path / "default_pipeline.star").write_text(damaged)

    assert pipeline_major(tmp_path) == 4


@pytest.mark.parametrize(
    ("written", "version", "image", "warns"),
    [
        ("5.1", "4.0.2", "relion", True),
        ("5.1", "3.1.3", "relion-tomo", True),
        ("4.0", "3.1.3", "relion", True),
        ("5.1", "5.0.1", "relion", False),
        ("4.0", "5.0.1", "relion", False),
        ("3.1", "3.1.3", "relion", False),
        ("5.1", "0.2.5", "topaz", False),
        ("5.1", "nightly", "relion", False),
        ("empty", "3.1.3", "relion", False),
    ],
)
def test_an_older_major_version_than_the_pipelines_warns(
    tmp_path: Path, written: str, version: str, image: str, warns: bool
) -> None:
    (tmp_path / "default_pipeline.star").write_text(PIPELINES[written])

    warning = older_than_pipeline(tmp_path, version, image)

    assert (warning is not None) == warns
    assert not warning or f"{image} {version} is older than the RELION {written[0]}" in warning


def test_no_pipeline_no_warning(tmp_path: Path) -> None:
    assert older_than_pipeline(tmp_path, "3.1.3") is None
    assert [major_version(version) for version in ("5.1.0", "v5", "5beta", "x")] == [
        5,
        5,
        None,
        None,
    ]


def test_the_warning_comes_with_moving_and_checking(pin: PinCommand, project: Path) -> None:
    for said in (pin("relion", "3.1.3"), pin("--check"), pin()):
        assert "warning: relion 3.1.3 is older than the RELION 5 that wrote" in said.err
        assert said.status == 0, "a warning is no difference"
    assert pins(project)["relion"].version == "3.1.3"
