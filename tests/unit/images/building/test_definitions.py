"""The container definitions, as far as they can be checked without building them."""

from __future__ import annotations

import json
import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.job_types import load_job_types
from dispatcher.config.places import shipped_folder
from dispatcher.images.building.stages import read_stages
from dispatcher.refusal.tell_end import JOB_RUNNER
from dispatcher.relion.programs import lookup
from dispatcher.relion.submission import parse_submission

from ....corpus import CORPUS
from ....definitions import CONTAINERS, SHELL, filled, stages

TEXTS = {path.name: path.read_text() for path in sorted(CONTAINERS.glob("*.def"))}
RELION = sorted(name for name in TEXTS if name.startswith("relion-"))
RECIPES: list[dict[str, Any]] = json.loads((CONTAINERS / "recipes.json").read_text())["relion"]
SOURCE = [recipe for recipe in RECIPES if recipe["definition"] == "relion-source.def"]
CUDA = [recipe for recipe in SOURCE if recipe["variant"].startswith("cuda")]
IMAGE_TEST = CONTAINERS / "image_test.sh"
LABELS = ["version", "gpu", "gui", "mpi", "source"]


def name_of(recipe: dict[str, Any]) -> str:
    return f"{recipe['versions']} {recipe['variant']}"


def offered(version: str) -> set[str]:
    """What the shared image test wants of an image of this version that has everything."""
    listed = subprocess.run(
        ["sh", IMAGE_TEST, "--list", version, "gui=yes", "python=yes"],
        check=True,
        capture_output=True,
        text=True,
    )
    return set(listed.stdout.split())


@pytest.mark.parametrize("name", TEXTS)
def test_arguments_are_declared_where_they_are_used_and_used_where_declared(name: str) -> None:
    defaults: dict[str, str] = {}
    for stage in stages(TEXTS[name]):
        assert stage.used_arguments == set(stage.arguments), stage.name
        for argument, value in stage.arguments.items():
            assert defaults.setdefault(argument, value) == value, argument


@pytest.mark.parametrize("name", TEXTS)
def test_shell_sections_are_shell(name: str) -> None:
    for stage in stages(TEXTS[name]):
        for section in stage.sections:
            if section.name in SHELL:
                script = filled(section.text, stage.arguments)
                checked = subprocess.run(["sh", "-n"], input=script, capture_output=True, text=True)
                assert checked.returncode == 0, f"%{section.name}: {checked.stderr}"


@pytest.mark.parametrize("name", RELION)
def test_copied_files_are_there_and_copied_folders_are_made_by_their_stage(name: str) -> None:
    earlier: dict[str, str] = {}
    for stage in stages(TEXTS[name]):
        for section in stage.all("files"):
            for line in filter(None, map(str.strip, section.lines)):
                source = line.split()[0]
                if section.stage:
                    assert source in re.findall(r"mkdir -p (.*)", earlier[section.stage])[0].split()
                else:
                    assert (CONTAINERS / source).is_file()
        earlier[stage.name] = stage.text("post")


@pytest.mark.parametrize("name", RELION)
def test_the_image_says_what_it_is_is_tested_and_has_a_help(name: str) -> None:
    image = stages(TEXTS[name])[-1]

    for label in LABELS:
        assert f'echo "relion.{label} ' in image.text("post")
    copied = [line.split() for line in image.text("files").splitlines()]
    assert [IMAGE_TEST.name, "/usr/local/libexec/relion-image-test"] in copied
    assert "sh /usr/local/libexec/relion-image-test " in image.text("test")
    for option in ("gpu", "gui", "python"):
        if option in image.arguments:
            assert f"{option}={{{{ {option} }}}}" in image.text("test")
    assert "apptainer exec" in image.text("help")


@pytest.mark.parametrize("recipe", RECIPES, ids=name_of)
def test_spython_reads_every_recipe(recipe: dict[str, Any], tmp_path: Path) -> None:
    text = TEXTS[recipe["definition"]]
    expected = stages(text)
    arguments = {key: value for stage in expected for key, value in stage.arguments.items()}
    text = filled(text, arguments | recipe["arguments"])

    parsed = read_stages(CONTAINERS / recipe["definition"], text, tmp_path)

    assert len(parsed) == len(expected)
    for stage, read in zip(expected, parsed, strict=True):
        assert bool(read.post) == bool(stage.text("post"))
        assert read.test == bool(stage.all("test"))


@pytest.mark.parametrize("recipe", RECIPES, ids=name_of)
def test_recipes_use_arguments_that_there_are_and_variants_that_say_so(
    recipe: dict[str, Any],
) -> None:
    definition = stages(TEXTS[recipe["definition"]])
    arguments = {key: value for stage in definition for key, value in stage.arguments.items()}
    assert {"versions", "variant", "definition", "arguments"} <= set(recipe)
    assert set(recipe["arguments"]) <= set(arguments)

    arguments |= recipe["arguments"]
    parts = ["cpu" if arguments["gpu"] == "none" else "cuda"]
    parts += [name for name in ("python", "gui") if arguments.get(name) == "yes"]
    assert recipe["variant"] == "-".join(parts)
    if "version" in arguments:
        assert fnmatch(arguments["version"], recipe["versions"])


def test_no_two_recipes_make_the_same_image() -> None:
    assert len({name_of(recipe) for recipe in RECIPES}) == len(RECIPES)


@pytest.mark.parametrize("recipe", CUDA, ids=name_of)
def test_architectures_are_those_that_cuda_knows(recipe: dict[str, Any]) -> None:
    arguments = stages(TEXTS["relion-source.def"])[0].arguments
    arguments |= {"from": stages(TEXTS["relion-source.def"])[1].arguments["from"]}
    arguments |= recipe["arguments"]
    bases = [arguments[key].partition("@")[0] for key in ("build_from", "from")]
    assert bases[0].replace("-devel-", "-runtime-") == bases[1]
    cuda = re.search(r"cuda:(\d+)\.(\d+)", arguments["from"])
    assert cuda
    release = (int(cuda[1]), int(cuda[2]))
    architectures = [int(word) for word in arguments["architectures"].split()]

    assert architectures == sorted(set(architectures))
    assert architectures[0] >= (75 if release >= (13, 0) else 70)
    assert architectures[-1] <= (120 if release >= (12, 8) else 90)


@pytest.mark.parametrize("version", ["4.0.2", "5.0.1"])
def test_a_version_from_source_is_the_same_source_with_and_without_cuda(version: str) -> None:
    default = stages(TEXTS["relion-source.def"])[0].arguments["sha256"]
    variants = {each["variant"]: each for each in SOURCE if each["versions"] == version}

    assert {"cpu", "cpu-gui", "cuda", "cuda-gui"} <= set(variants)
    digests = {each["arguments"].get("sha256", default) for each in variants.values()}
    assert len(digests) == 1


@pytest.mark.parametrize(
    "words",
    [
        ["build.sh", "bases-cuda", "--output", "/nowhere"],  # bases lie in the cache
        ["build.sh", "bases-rocm"],
        ["cuda_base.sh", "runtime"],
    ],
)
def test_bases_that_there_are_not_are_told_before_anything_is_fetched(words: list[str]) -> None:
    done = subprocess.run([CONTAINERS / words[0], *words[1:]], capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: " in done.stderr


def test_the_image_test_knows_every_program_of_the_job_types() -> None:
    known = offered("3.1") | offered("4.0") | offered("5.0") | offered("5.1")
    types = load_job_types(shipped_folder() / "config" / "dispatch_config.json")
    named = {name for kind in types.types.values() for name in kind.match_command if name != "None"}
    assert "relion_refine" in named

    for name in named - {JOB_RUNNER}:  # which images of the CCP-EM Pipeliner's have
        program = lookup(name)
        assert name in known
        assert not program.mpi or f"{name}_mpi" in known
        assert {call.program for call in program.calls} <= known


@pytest.mark.parametrize("version", ["3.1.4", "4.0.2", "5.0.1"])
def test_the_image_test_has_what_relion_of_this_version_called(version: str) -> None:
    scripts = list((CORPUS / f"relion-{version}").glob("*/run_submit.script"))
    assert scripts
    called = {
        command.program
        for script in scripts
        for command in parse_submission(script.read_text(), str(script)).commands
        if command.kind == "relion"
    }

    assert called <= offered(version)


@pytest.mark.parametrize(
    ("version", "has", "lacks"),
    [
        ("3.1.3", "relion_refine_mpi", "relion_class_ranker"),
        ("4.0.2", "relion_tomo_import_tomograms", "relion_tomo_import_coordinates"),
        ("5.0.1", "relion_python_blush", "relion_tomo_import_tomograms"),
        ("5.1.0", "relion_find_amyloid", "relion_tomo_import_particles"),
        ("5.10.0", "relion_find_amyloid_mpi", "relion_tomo_import_particles"),
        ("10.0", "relion_refine", "relion_tomo_import_particles"),
    ],
)
def test_versions_have_their_programs(version: str, has: str, lacks: str) -> None:
    assert has in offered(version)
    assert lacks not in offered(version)


def test_python_tools_and_windows_are_wanted_only_where_the_image_has_them() -> None:
    plain = subprocess.run(
        ["sh", IMAGE_TEST, "--list", "5.0.1"], check=True, capture_output=True, text=True
    ).stdout.split()

    assert "relion_refine" in plain
    assert not {"relion", "relion_display"} & set(plain)
    assert not [name for name in plain if name.startswith("relion_python_")]
