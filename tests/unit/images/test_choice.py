"""Which file of the catalogue serves a job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.catalogue import Catalogue, load_catalogue
from dispatcher.errors import ImageError, NotInCatalogue
from dispatcher.images.choice import ChosenImage, Needs, choose
from dispatcher.images.pins import PIN_FILE
from dispatcher.relion.command import called_programs, parse_command

from ...fixture_types import WriteSite

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
    assert (
        "5.1.0 offers it: move the project to another version with `relion-dispatch pin relion "
        "5.1.0`"
    ) in str(caught.value)


def refusal(catalogue: Catalogue, *programs: str, **needs: Any) -> str:
    with pytest.raises(ImageError) as caught:
        chosen(catalogue, programs=programs, **needs)
    return str(caught.value)


def test_a_version_whose_programs_are_not_known_is_no_advice(site: WriteSite) -> None:
    plain = {**CPU, "programs": ["relion_refine"]}
    full = {**CPU, "programs": ["relion_refine", "relion_python_blush"]}
    blush = ("relion_refine", "relion_python_blush")

    unknown = {"4.0.2": [CPU], "3.1.4": [CPU]}
    assert refusal(catalogue_of(site, plain, **unknown), *blush).endswith(
        "does not offer; no version in the catalogue is known to offer it: ask your admin for a "
        "version that does."
    )
    one_known = {"4.0.2": [CPU], "5.0.1": [full]}
    assert "; 5.0.1 offers it: move" in refusal(catalogue_of(site, plain, **one_known), *blush)


def test_a_version_whose_programs_are_not_known_is_tried_where_it_is_the_jobs(
    site: WriteSite,
) -> None:
    assert chosen(catalogue_of(site, CPU), programs=("relion_python_blush",)).version == "5.1.0"


def test_the_newest_version_with_all_programs_is_advised(site: WriteSite) -> None:
    plain = {**CPU, "programs": ["relion_refine"]}
    full = {**CPU, "programs": ["relion_refine", "relion_python_blush", "relion_python_topaz"]}
    others = {"5.0.10": [full], "5.0.9": [full], "4.0.2": [plain]}

    said = refusal(catalogue_of(site, plain, **others), *full["programs"])

    assert "relion_python_blush and relion_python_topaz, which the image" in said
    assert "; 5.0.10, 5.0.9 offer them: move" in said
    assert "`relion-dispatch pin relion 5.0.10`" in said


def test_a_version_that_the_site_would_refuse_is_no_advice(site: WriteSite) -> None:
    plain = {**CPU, "programs": ["relion_refine"]}
    full = {**CPU, "programs": ["relion_refine", "relion_python_blush"]}
    catalogue = catalogue_of(site, plain, **{"5.0.1": [full]})

    said = refusal(catalogue, "relion_refine", "relion_python_blush", signed_by=("AB12",))

    assert "no version in the catalogue is known to offer it" in said


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
        (
            "`which relion_autopick` --topaz_train --fn_topaz_exe /opt/topaz/bin/topaz",
            ("relion_autopick",),
        ),
        ("`which relion_autopick` --topaz_extract --topaz_exe topaz", ("relion_autopick",)),
        # RELION 5 names topaz in every AutoPick job.
        (
            "`which relion_autopick_mpi` --fn_topaz_exe relion_python_topaz --LoG --shrink 0",
            ("relion_autopick_mpi",),
        ),
        (
            "`which relion_autopick` --fn_topaz_exe relion_python_topaz --i a.star --ref r.star",
            ("relion_autopick",),
        ),
        (
            "`which relion_manualpick` --i a.star --topaz_denoise",
            ("relion_manualpick", "relion_python_topaz"),
        ),
        (
            "`which relion_manualpick` --i a.star --topaz_denoise --topaz_exe topaz",
            ("relion_manualpick",),
        ),
        (
            "`which relion_class_ranker` --opt o.star --auto_select",
            ("relion_class_ranker", "relion_python_classranker"),
        ),
        (
            "`which relion_class_ranker` --opt o.star --python /opt/python",  # RELION 4.0
            ("relion_class_ranker",),
        ),
        ("`which relion_find_amyloid_mpi` --skip_tracing --j 4", ("relion_find_amyloid_mpi",)),
        (
            "`which relion_find_amyloid_mpi` --skip_fom",
            ("relion_find_amyloid_mpi", "relion_python_trace_amyloids"),
        ),
        (
            "`which relion_find_amyloid` --exe /usr/bin/relion_trace_amyloids.py",
            ("relion_find_amyloid",),
        ),
        # A value that no option of the program asks for is no call.
        ("`which relion_star_handler` --i relion_python_topaz", ("relion_star_handler",)),
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
    with pytest.raises(NotInCatalogue) as caught:
        chosen(catalogue_of(site, CPU), pin="4.0.2")

    assert "relion 4.0.2 is not in the catalogue" in str(caught.value)
    assert f"pinned to relion 4.0.2 ({PIN_FILE})" in str(caught.value)
    assert "relion-dispatch pin relion VERSION" in str(caught.value)


BATCH = {**CPU, "programs": ["relion_refine"]}
WITH_WINDOW = {"variant": "cpu-gui", "path": "g.sif", "programs": ["relion", "relion_refine"]}


@pytest.mark.parametrize(
    ("pin", "others", "says"),
    [
        ("5.0.1", [BATCH], r"and this project is pinned to relion 5\.0\.1 \(\.relion_dispatch\.js"),
        (None, [BATCH], r"and relion 5\.1\.0 is the site's default: ask your admin"),
        ("5.0.1", [WITH_WINDOW], r"-gui`\)\. 5\.1\.0 has the window: if the project may move"),
    ],
)
def test_a_project_without_a_window_keeps_its_version(
    pin: str | None, others: list[dict[str, Any]], says: str, site: WriteSite
) -> None:
    catalogue = catalogue_of(site, *others, **{"5.0.1": [BATCH]})

    with pytest.raises(ImageError, match=says) as caught:
        chosen(catalogue, pin, programs=("relion",))

    assert str(caught.value).startswith("RELION's window is not in the image relion 5.")
    version = pin or "5.1.0"
    build = f"`relion-dispatch images build relion {version} --variant cpu-gui`"
    assert f"ask your admin for that version with the window ({build})" in str(caught.value)
