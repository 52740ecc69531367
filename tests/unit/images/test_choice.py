"""images.json, and which of its files serves a job."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.catalogue import Catalogue, load_catalogue
from dispatcher.errors import ConfigError, ImageError
from dispatcher.images.choice import ChosenImage, Needs, choose
from dispatcher.images.pins import PIN_FILE
from dispatcher.relion.command import called_programs, parse_command

WriteSite = Callable[..., Path]

CPU = {"variant": "cpu", "path": "cpu.sif"}
CUDA = {"variant": "cuda", "path": "cuda.sif", "gpu": "nvidia"}
ROCM = {"variant": "rocm", "path": "rocm.sif", "gpu": "amd"}


def catalogue_of(site: WriteSite, *builds: dict[str, Any], **others: Any) -> Catalogue:
    versions = {"5.1.0": list(builds), **others}
    return load_catalogue(
        site("images.json", {"relion": {"default": "5.1.0", "versions": versions}})
    )


def chosen(catalogue: Catalogue, pin: str | None = None, **needs: Any) -> ChosenImage:
    pinned = {"relion": pin} if pin else {}
    return choose(catalogue, "relion", pinned, Needs(**needs), Path(PIN_FILE))


def test_the_variant_follows_the_jobs_need_for_gpus(site: WriteSite) -> None:
    catalogue = catalogue_of(site, ROCM, CUDA, CPU)

    assert chosen(catalogue, gpu="nvidia").variant == "cuda"
    assert chosen(catalogue, gpu="amd").variant == "rocm"
    assert chosen(catalogue).variant == "cpu"


def test_a_build_for_gpus_serves_other_jobs_where_there_is_no_other(site: WriteSite) -> None:
    assert chosen(catalogue_of(site, CUDA)).variant == "cuda"


def test_a_gpu_job_gets_no_build_without_gpu(site: WriteSite) -> None:
    with pytest.raises(ImageError, match=r"relion 5\.1\.0 has no variant for NVIDIA GPUs.*cpu"):
        chosen(catalogue_of(site, CPU), gpu="nvidia")


def test_the_variant_follows_the_partition(site: WriteSite) -> None:
    new = {**CUDA, "variant": "cuda12", "partitions": ["h100"]}
    catalogue = catalogue_of(site, new, CUDA)

    assert chosen(catalogue, gpu="nvidia", partition="h100").variant == "cuda12"
    assert chosen(catalogue, gpu="nvidia", partition="v100").variant == "cuda"


def test_a_program_that_no_variant_offers_is_named_with_the_versions_that_do(
    site: WriteSite,
) -> None:
    old = {**CUDA, "programs": ["mpirun", "relion_refine", "relion_refine_mpi"]}
    new = {**CUDA, "programs": [*old["programs"], "relion_python_blush"]}
    catalogue = catalogue_of(site, new, **{"3.1.3": [old]})
    blush = called_programs([parse_command("`which relion_refine_mpi` --o x --blush --i y")])
    assert blush == ("relion_refine_mpi", "relion_python_blush")

    assert chosen(catalogue, gpu="nvidia", programs=blush).version == "5.1.0"
    with pytest.raises(ImageError) as caught:
        chosen(catalogue, pin="3.1.3", gpu="nvidia", programs=blush)

    assert "relion_python_blush, which the image relion 3.1.3 (cuda)" in str(caught.value)
    assert "5.1.0 has it: move the project with `relion-dispatch pin relion 5.1.0`" in str(
        caught.value
    )


def test_a_later_variant_with_the_program_is_taken(site: WriteSite) -> None:
    plain = {**CUDA, "programs": ["relion_refine"]}
    full = {**CUDA, "variant": "cuda-python", "programs": ["relion_refine", "relion_python_blush"]}
    catalogue = catalogue_of(site, plain, full)

    needed = ("relion_refine", "relion_python_blush")
    assert chosen(catalogue, gpu="nvidia", programs=needed).variant == "cuda-python"
    assert chosen(catalogue, gpu="nvidia", programs=("relion_refine",)).variant == "cuda"


@pytest.mark.parametrize(
    ("line", "programs"),
    [
        ("`which relion_refine` --o x --i blush", ("relion_refine",)),
        (
            "`which relion_autopick_mpi` --topaz_extract --fn_topaz_exe relion_python_topaz",
            ("relion_autopick_mpi", "relion_python_topaz"),
        ),
        ("/opt/mine/relion_refine --i x", ()),
        ("touch Class2D/job001/RELION_JOB_EXIT_SUCCESS", ()),
    ],
)
def test_the_programs_that_a_command_needs(line: str, programs: tuple[str, ...]) -> None:
    assert called_programs([parse_command(line)]) == programs


def test_only_signed_images_where_the_site_asks_for_it(site: WriteSite) -> None:
    signed = {**CUDA, "variant": "signed", "signed_by": ["AB12"], "sha256": "0" * 64}
    by_hand = {**CUDA, "variant": "without digest", "signed_by": ["AB12"]}
    catalogue = catalogue_of(site, CUDA, by_hand, signed)

    assert chosen(catalogue, gpu="nvidia", signed_by=("AB12", "CD34")).variant == "signed"
    with pytest.raises(ImageError, match=r"is not signed by a key .*signed_by"):
        chosen(catalogue, gpu="nvidia", signed_by=("CD34",))


def test_relative_paths_start_at_the_catalogue(site: WriteSite, tmp_path: Path) -> None:
    found = chosen(catalogue_of(site, {**CPU, "weights": "weights"}))

    assert found.path == tmp_path / "site" / "cpu.sif"
    assert found.weights == tmp_path / "site" / "weights"


def test_a_pinned_version_that_has_left_the_catalogue_is_an_error(site: WriteSite) -> None:
    with pytest.raises(ImageError) as caught:
        chosen(catalogue_of(site, CPU), pin="4.0.2")

    assert f"pinned to relion 4.0.2 ({PIN_FILE})" in str(caught.value)
    assert "relion-dispatch pin relion VERSION" in str(caught.value)


def test_an_unknown_default_is_an_error(site: WriteSite) -> None:
    path = site("images.json", {"relion": {"default": "5.2", "versions": {"5.1.0": [CPU]}}})

    with pytest.raises(ConfigError, match=r'default version "5\.2"'):
        load_catalogue(path)


def test_a_variant_listed_twice_is_an_error(site: WriteSite) -> None:
    with pytest.raises(ConfigError, match=r'relion 5\.1\.0 has the variant "cpu" twice'):
        catalogue_of(site, CPU, CPU)


@pytest.mark.parametrize(
    ("build", "says"),
    [
        ({**CPU, "sha256": "abc"}, "a sha256 has 64 digits"),
        ({**CPU, "gpu": "cuda"}, "gpu"),
        ({**CPU, "sizes": 3}, 'unknown key; did you mean "size"?'),
        ({**CPU, "programs": "relion_refine"}, "programs"),
        ({"variant": "cpu"}, 'path" is missing'),
        ("cpu.sif", "JSON object"),
        ({**CPU, "path": "a\0b"}, "path is empty or has control characters in it ('a\\x00b')"),
        ({**CPU, "path": ""}, "path is empty"),
        ({**CPU, "path": "\ud800"}, "path is empty or has control characters"),
        ({**CPU, "weights": "a\nb"}, "weights is empty or has control characters"),
        ({**CPU, "variant": ""}, "variant is empty"),
    ],
)
def test_a_catalogue_edited_into_nonsense_is_named_by_key(
    build: Any, says: str, site: WriteSite
) -> None:
    with pytest.raises(ConfigError) as caught:
        catalogue_of(site, build)

    assert "images.json" in str(caught.value)
    assert "relion.versions.5.1.0" in str(caught.value)
    assert says in str(caught.value)


DEEP = 100_000


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"relion": ' + "[" * DEEP + "]" * DEEP + "}", "nested too deeply"),
        ('{"relion": ' * DEEP + "1" + "}" * DEEP, "nested too deeply"),
        ('{"relion": ' + "[" * 300 + "]" * 300 + "}", "nested too deeply"),
        ('{"relion": ' * 300 + "1" + "}" * 300, "nested too deeply"),
        ('{"relion": {"default": ' + "1" * 5000 + "}}", "not valid JSON: Exceeds the limit"),
        (
            '{"relion": {"default": "1", "versions": {"1": [], "2\\n": []}}}',
            "is no name or version",
        ),
        ('{"": {"default": "1", "versions": {"1": []}}}', "is no name or version"),
    ],
)
def test_a_catalogue_that_is_nonsense_as_a_whole_is_refused(
    text: str, says: str, site: WriteSite
) -> None:
    path = site("images.json", text)

    with pytest.raises(ConfigError) as caught:
        load_catalogue(path)

    assert str(path) in str(caught.value)
    assert says in str(caught.value)


def test_a_pipe_in_the_place_of_the_catalogue_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "images.json")

    with pytest.raises(ConfigError, match=r"images\.json is no file"):
        load_catalogue(tmp_path / "images.json")
