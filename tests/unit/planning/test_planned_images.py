"""Which image a plan names, and what is wrong with one that cannot be used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dispatcher.errors import ConfigError, ImageError
from dispatcher.site.check import problems

from ...fixture_types import CorpusJob, WriteSite
from .planned import CLASSIC, REFINE, launched, plan

pytestmark = pytest.mark.usefixtures("images")


def test_skipping_alignment_uses_no_gpu(corpus_job: CorpusJob) -> None:
    script = corpus_job("relion-4.0.2/Class3D_job003")
    script.write_text(script.read_text().replace(" --sym C1", " --skip_align --sym C1"))

    planned = plan(script)

    assert not planned.uses_gpu
    assert "--gpu" not in planned.commands[0].command.argv
    assert planned.image is not None
    assert planned.image.variant == "cpu"
    assert "--nv" not in launched(planned)


def test_skipping_rotation_uses_no_gpu_either(corpus_job: CorpusJob) -> None:
    script = corpus_job("relion-4.0.2/Class3D_job003")
    script.write_text(script.read_text().replace(" --sym C1", " --skip_rotate --sym C1"))

    assert not plan(script).uses_gpu


def test_pin_decides_the_version(project: Path, corpus_job: CorpusJob) -> None:
    (project / ".relion_dispatch.json").write_text('{"images": {"relion": {"version": "3.1.3"}}}')

    planned = plan(corpus_job("relion-3.1.4/Refine3D_job005"))

    assert planned.image is not None
    assert planned.image.version == "3.1.3"
    assert any("pinned" in reason for reason in planned.reasons)


def test_a_pinned_version_gone_from_the_catalogue_is_no_silent_fallback(
    project: Path, corpus_job: CorpusJob
) -> None:
    (project / ".relion_dispatch.json").write_text('{"images": {"relion": {"version": "4.0.1"}}}')

    with pytest.raises(ImageError, match=r"pinned to relion 4\.0\.1 .*\.relion_dispatch\.json"):
        plan(corpus_job("relion-4.0.2/Refine3D_job004"))


def test_a_damaged_pin_file_is_named(project: Path, corpus_job: CorpusJob) -> None:
    (project / ".relion_dispatch.json").write_text('{"images": ["relion"]}')

    with pytest.raises(ConfigError, match=r"\.relion_dispatch\.json"):
        plan(corpus_job("relion-4.0.2/Refine3D_job004"))


def test_an_image_missing_from_disk_is_named(images: Path, corpus_job: CorpusJob) -> None:
    (images.parent / "relion-5.1.0-cuda.sif").unlink()

    with pytest.raises(ImageError, match=r"relion-5\.1\.0-cuda\.sif cannot be read \(No such"):
        plan(corpus_job("relion-5.0.1/Refine3D_job011"))


def test_weights_missing_from_disk_are_named(images: Path, corpus_job: CorpusJob) -> None:
    catalogue = json.loads(images.read_text())
    catalogue["relion"]["versions"]["5.1.0"][0]["weights"] = "weights"
    images.write_text(json.dumps(catalogue))

    with pytest.raises(ImageError, match=r"site/weights, which .*relion 5\.1\.0 \(cuda\)"):
        plan(corpus_job("relion-5.0.1/Refine3D_job011"))


def test_an_image_missing_from_the_catalogue_is_named(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    site("images.json", {})

    with pytest.raises(ImageError, match='"relion" is not in the catalogue'):
        plan(corpus_job("relion-5.0.1/Refine3D_job011"))


def test_one_line_of_site_json_gives_all_types_an_image(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    host = {name: {**kind, "image": ""} for name, kind in CLASSIC.items() if name == "refine"}  # type: ignore[dict-item]
    types = {name: kind for name, kind in CLASSIC.items() if name != "__comment__"}
    types = {n: {k: v for k, v in t.items() if k != "image"} for n, t in types.items()}  # type: ignore[attr-defined]
    site("dispatch_config.json", types)
    assert plan(corpus_job(REFINE)).image is None

    site("site.json", {"image": "relion"})
    planned = plan(corpus_job(REFINE))
    assert planned.image is not None
    assert (planned.image.name, planned.image.variant) == ("relion", "cuda")
    assert launched(planned)[0] == "apptainer"

    site("dispatch_config.json", {**types, **host})
    assert plan(corpus_job(REFINE)).image is None


def test_a_users_own_program_stays_on_the_host(site: WriteSite, corpus_job: CorpusJob) -> None:
    site("site.json", {"image": "relion"})

    planned = plan(corpus_job("relion-5.0.1/External_job023"))

    assert planned.image is None
    assert launched(planned) == []


def test_an_unknown_image_of_the_site_is_named_with_its_key(site: WriteSite) -> None:
    path = site("site.json", {"image": "relio"})

    assert any(f'correct "image" in {path}: key "image"' in problem for problem in problems())


@pytest.mark.parametrize(
    ("job", "lacking"),
    [
        ("relion-5.0.1/AutoPick_job004", None),  # by a Laplacian; the command names topaz as well
        ("relion-5.0.1/AutoPick_job005", "relion_python_topaz"),
        ("relion-5.0.1/Select_job021", "relion_python_classranker"),
    ],
)
def test_an_image_is_refused_for_the_programs_that_the_job_really_starts(
    job: str, lacking: str | None, images: Path, corpus_job: CorpusJob
) -> None:
    catalogue = json.loads(images.read_text())
    for build in catalogue["relion"]["versions"]["5.1.0"]:
        build["programs"] = ["relion_autopick_mpi", "relion_class_ranker", "relion_refine"]
    images.write_text(json.dumps(catalogue))

    if lacking is None:
        assert plan(corpus_job(job)).image is not None
    else:
        with pytest.raises(ImageError, match=f"This job calls {lacking}, which the image"):
            plan(corpus_job(job))
