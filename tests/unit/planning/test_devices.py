"""Each rank is told its GPU, and MPS is planned if ranks share one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.gpu_vendors import VENDORS
from dispatcher.config.site import Partition
from dispatcher.planning import make_plan
from dispatcher.planning.this_machine import gpus_here

from ...fixture_types import CorpusJob, WriteSite
from .planned import CLASS3D, CLASSIC, REFINE, plan

pytestmark = pytest.mark.usefixtures("images")


@pytest.mark.parametrize(
    ("job", "text"),
    [
        (REFINE, "0:1:2:3"),
        ("relion-5.0.1/InitialModel_job009", "0,1"),
        ("relion-3.1.4/AutoPick_job009", "0:1:2:3:0:1:2:3"),
        ("relion-3.1.4/CtfFind_job008", "0:1:2:3"),
        ("relion-5.0.1/AutoPick_job005", "0:1:2:3"),
        ("relion-5.0.1/AlignTiltSeries_job027", "0:1:2:3"),
        ("relion-5.0.1/DynaMight_job024", "0"),
    ],
)
def test_each_rank_is_told_its_gpu(job: str, text: str, corpus_job: CorpusJob) -> None:
    command = plan(corpus_job(job)).commands[0].command
    option = "gpu-id" if "DynaMight" in job else "gpu"

    assert command.value(option) == text


def test_devices_that_a_job_type_names_are_kept(site: WriteSite, corpus_job: CorpusJob) -> None:
    gpu: Any = {**CLASSIC["gpu"], "relion_add_parameter": {"gpu": "1:2"}}  # type: ignore[dict-item]
    site("dispatch_config.json", {**CLASSIC, "gpu": gpu})

    assert plan(corpus_job(REFINE)).commands[0].command.value("gpu") == "1:2"


def test_devices_of_a_job_type_are_kept_if_the_window_has_the_same(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    gpu: Any = {**CLASSIC["gpu"], "relion_add_parameter": {"gpu": "1:2"}}  # type: ignore[dict-item]
    site("dispatch_config.json", {**CLASSIC, "gpu": gpu})
    script = corpus_job(REFINE)
    script.write_text(script.read_text().replace('--gpu ""', '--gpu "1:2"'))

    planned = plan(script)

    assert planned.commands[0].command.value("gpu") == "1:2"
    assert not planned.chooses_gpus


def test_a_deeper_job_type_decides_whether_the_devices_of_its_parent_stay(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    gpu: Any = {
        **CLASSIC["gpu"],  # type: ignore[dict-item]
        "relion_remove_parameter": [],
        "relion_add_parameter": {"--gpu": "1:2"},
    }
    refine: Any = {**CLASSIC["refine"], "relion_add_parameter": {"gpu": False}}  # type: ignore[dict-item]
    removed = {**refine, "relion_remove_parameter": ["gpu"]}
    site("dispatch_config.json", {**CLASSIC, "gpu": gpu, "refine": removed})

    assert plan(corpus_job(REFINE)).commands[0].command.value("gpu") is None

    site("dispatch_config.json", {**CLASSIC, "gpu": gpu, "refine": refine})

    assert plan(corpus_job(REFINE)).commands[0].command.value("gpu") == "1:2"


def test_several_nodes_have_the_same_devices_each(site: WriteSite, corpus_job: CorpusJob) -> None:
    settings = {"nodes": 2, "nproc": 17, "partition": "gpu"}
    partitions = {"gpu": {"gpu_memory": "48G"}}
    site(
        "site.json",
        {"scheduler": "slurm", "partitions": partitions, "job_parameters": {"class3d": settings}},
    )

    planned = plan(corpus_job(CLASS3D))

    assert (planned.nproc, planned.nodes, planned.ngpu) == (17, 2, 4)
    assert planned.commands[0].command.value("gpu") == "0:1:2:3"
    assert planned.mps


@pytest.mark.parametrize(
    ("settings", "nproc", "mps"),
    [
        ({}, 9, True),
        ({}, 5, False),  # one rank per GPU
        ({"apptainer": {"gpu_option": "--rocm"}}, 9, False),
        ({"apptainer": {"gpu_option": "--nvccli"}}, 9, True),
        ({"mps": False}, 9, False),
    ],
)
def test_mps_where_several_ranks_share_a_gpu_of_nvidias(
    settings: dict[str, Any], nproc: int, mps: bool, images: Path, site: WriteSite,
    corpus_job: CorpusJob,
) -> None:  # fmt: skip
    images.write_text(images.read_text().replace("nvidia", "amd")) if "--rocm" in str(
        settings
    ) else 0
    site("site.json", {**settings, "job_parameters": {"gpu": {"nproc": nproc}}})

    assert plan(corpus_job(REFINE)).mps is mps


@pytest.mark.parametrize(
    ("cards", "visible", "ngpu"),
    [
        (2, None, 2),
        (8, None, 8),
        (2, "1", 1),
        (2, "", 0),
        (2, "-1", 0),
        (2, "0,-1,1", 1),
        (2, "1,,0", 1),
        (2, "2,0", 0),
        (2, "GPU-8932f937, GPU-1f2e3d4c", 2),
        (0, None, 0),
        (None, None, 0),
    ],
)
def test_a_job_that_runs_here_has_the_gpus_that_are_here(
    cards: int | None, visible: str | None, ngpu: int, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, corpus_job: CorpusJob,
) -> None:  # fmt: skip
    """The driver's folder is made up; what is read from it is what a real one lists."""
    folder = tmp_path / "driver"
    monkeypatch.setitem(VENDORS, "nvidia", VENDORS["nvidia"]._replace(cards=folder, device=folder))
    monkeypatch.setattr(make_plan, "this_machine", lambda v: Partition(gpus=gpus_here(v)))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    for card in range(cards or 0):
        (folder / f"0000:{card:02x}:00.0").mkdir(parents=True)
    if cards == 0:
        folder.mkdir()

    assert plan(corpus_job(CLASS3D)).ngpu == ngpu
