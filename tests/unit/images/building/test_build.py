"""What is looked at before a build starts: the definition and its bases, the folders."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dispatcher.cli import main
from dispatcher.errors import ImageError, WriteError
from dispatcher.images.building.build import BuildRequest
from dispatcher.images.building.definition import check
from dispatcher.images.building.files import BASE, BUILD_BASE, work_folder
from dispatcher.images.building.recipes import find

from ....definitions import CONTAINERS

LOCAL = {"bootstrap": "localimage"}
DEFINITION = """Bootstrap: {{ bootstrap }}
From: {{ from }}

%arguments
    bootstrap=localimage
    from=base.sif

%post
    echo "relion.version 5.1.0" >> "$APPTAINER_LABELS"

%test
    relion_refine --version
"""


@pytest.mark.parametrize("version", ["4.0.2", "5.0.1"])
def test_each_stage_of_a_source_recipe_can_have_a_local_base(version: str, tmp_path: Path) -> None:
    recipe = find("relion", version, None)
    base, build_base = tmp_path / "runtime.sif", tmp_path / "devel.sif"
    order = BuildRequest(
        "relion", version, recipe, {}, base, tmp_path / "x.sif", build_base=build_base
    )
    assert order.bases == {"from": (BASE, base), "build_from": (BUILD_BASE, build_base)}
    names = {argument: name for argument, (name, _) in order.bases.items()}

    check(Path(recipe.definition), {**recipe.arguments, **LOCAL, **names}, tmp_path, names.values())


@pytest.mark.parametrize(
    ("given", "stage", "origin"),
    [
        ({"from": BASE}, "build", "nvidia/cuda:12.8.1-devel-ubuntu22.04"),
        ({"build_from": BUILD_BASE}, "final", "nvidia/cuda:12.8.1-runtime-ubuntu22.04"),
    ],
)
def test_a_stage_left_without_its_local_base_is_named_before_anything_starts(
    given: dict[str, str], stage: str, origin: str, tmp_path: Path
) -> None:
    definition = CONTAINERS / "relion-source.def"

    with pytest.raises(ImageError) as caught:
        check(definition, {**LOCAL, **given}, tmp_path, given.values())

    assert f"The stage {stage} of {definition} starts from the local image {origin}@sha256:" in str(
        caught.value
    )
    assert "--build-base" in str(caught.value)


def test_a_definition_whose_arguments_say_localimage_is_read(tmp_path: Path) -> None:
    path = tmp_path / "relion.def"
    path.write_text(DEFINITION)
    with pytest.raises(
        ImageError, match=r"starts from the local image base\.sif, which does not exist"
    ):
        check(path, {}, tmp_path)

    (tmp_path / "base.sif").touch()
    check(path, {}, tmp_path)


def test_arguments_before_the_next_stage_do_not_take_it_along(tmp_path: Path) -> None:
    first = (
        "Bootstrap: docker\nFrom: debian\nStage: one\n\n%post\n    true\n%arguments\n    a=1\n\n"
    )
    path = tmp_path / "relion.def"
    path.write_text(first + DEFINITION.replace("%test\n    relion_refine --version\n", ""))

    with pytest.raises(ImageError, match="no %test in its last stage"):
        check(path, LOCAL, tmp_path, ["base.sif"])


@pytest.mark.parametrize("option", ["--base", "--build-base"])
def test_a_base_that_is_no_sif_is_told_as_such(
    option: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)  # root builds nothing
    base = tmp_path / "base.sif"
    base.write_text("root:x:0:0\n")

    assert main(["images", "build", "relion", "5.0.1", option, str(base)]) == 1

    assert f"{base} is not a SIF file" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a:b", "a,b"])
def test_a_folder_that_apptainer_cannot_build_in_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.setenv("APPTAINER_TMPDIR", str(tmp_path / name))

    with pytest.raises(WriteError, match="in the variable APPTAINER_TMPDIR"), work_folder():
        pass
