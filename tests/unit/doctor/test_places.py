"""With which image, which scratch folder and which job does the doctor look at a partition?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dispatcher.cli import main
from dispatcher.config.configuration import load_configuration
from dispatcher.doctor.places import here, partition_place

from ...fixture_types import WriteSite

GPU = {"cores": 64, "memory": "500G", "gpus": 4, "gpu_memory": "48G"}


@pytest.fixture
def partitions(site: WriteSite, images: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Write a site.json with these partitions."""
    monkeypatch.delenv("RELION_SCRATCH_DIR", raising=False)

    def write(keys: dict[str, Any] | None = None, **shapes: dict[str, Any]) -> None:
        parameters = {"submit": {"partition": next(iter(shapes))}}
        described = {"partitions": shapes, "job_parameters": parameters, **(keys or {})}
        site("site.json", {"scheduler": "slurm", **described})

    return write


def test_the_image_is_that_of_the_jobs(partitions: Any, images: Path) -> None:
    catalogue = json.loads(images.read_text())
    build = {"variant": "cuda", "path": "relion-5.1.0-cuda.sif", "gpu": "nvidia"}
    topaz = {"default": "1", "versions": {"1": [build]}}
    images.write_text(json.dumps({"topaz": topaz, **catalogue}))
    partitions(gpu=GPU)

    assert partition_place("gpu", load_configuration(), Path.cwd(), 0, None).asked.image == (
        "relion 5.1.0 (cuda)"
    )


def scratch(name: str | None, given: str | None = None) -> str:
    configuration = load_configuration()
    if name is None:
        return here(configuration, Path.cwd(), given).scratch
    return partition_place(name, configuration, Path.cwd(), 0, given).scratch


def test_the_scratch_folder_is_the_partitions_else_the_sites_else_the_users(
    partitions: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RELION_SCRATCH_DIR", "/a disk")
    partitions(gpu=GPU)
    assert scratch("gpu") == scratch(None) == "'/a disk'"

    of_site = {"scratch": {"folder": "/lscratch/$SLURM_JOB_ID"}}
    partitions(of_site, gpu=GPU, own=GPU | {"scratch": {"folder": "/own"}})
    assert "/lscratch/" in scratch("gpu")
    assert scratch("own") == "/own"
    assert scratch("gpu", "/given") == "/given"

    partitions(of_site, gpu=GPU | {"scratch": {"folder": ""}})
    assert scratch("gpu") == ""


def test_a_partition_to_which_nothing_can_be_sent_does_not_hide_the_others(
    partitions: Any,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    slurm = {"submit_command": ["false"], "queue_command": []}
    partitions({"schedulers": {"slurm": slurm}}, big=GPU | {"takes": {"nodes": [2, None]}}, gpu=GPU)

    main(["doctor", "--all", "--json"])

    found = {
        place["place"]: place["findings"][0]
        for place in json.loads(capsys.readouterr().out)["places"]
    }
    assert list(found) == ["big", "gpu"]
    assert (found["big"]["check"], found["big"]["status"]) == ("start", "skipped")
    assert "takes" in found["big"]["sentence"]
    assert found["gpu"]["status"] == "failure"  # its submit command says so
