"""Partitions whose nodes are not all alike: the job is planned for one kind, and asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dispatcher.errors import DoesNotFit

from ...corpus import fill_project
from ...fixture_types import CorpusJob, WriteSite
from ...scheduler_directives import directives
from .planned import REFINE, plan

pytestmark = pytest.mark.usefixtures("images")

SMALL = {"cores": 32, "memory": "250G", "gpus": 4, "gpu_memory": "24G", "gpu_type": "a5000"}
LARGE = {"cores": 128, "memory": "1000G", "gpus": 8, "gpu_memory": "80G", "gpu_type": "a100"}
POSTPROCESS = "relion-5.0.1/PostProcess_job016"


def mixed(site: WriteSite, *nodes: dict[str, Any], **of_gpu: Any) -> None:
    """A Slurm site with one partition of these kinds of nodes."""
    parameters = {"submit": {"partition": "gpu"}, "gpu": of_gpu}
    partitions = {"gpu": {"nodes": [*nodes]}}
    content = {"scheduler": "slurm", "partitions": partitions, "job_parameters": parameters}
    site("site.json", content)


@pytest.mark.parametrize(
    ("box", "gres", "memory"), [(256, "gpu:a5000:4", "24.0"), (600, "gpu:a100:8", "80.0")]
)
def test_the_first_kind_that_holds_the_job_well_is_asked_for(
    box: int, gres: str, memory: str, site: WriteSite, corpus_job: CorpusJob, project: Path
) -> None:
    fill_project(project, box)
    mixed(site, SMALL, LARGE)

    planned = plan(corpus_job(REFINE))

    found = directives(planned)
    assert (found["partition"], found["gres"]) == (["gpu"], [gres])
    assert f" usable of {memory} GiB" in " ".join(planned.reasons)
    assert f"GPUs of type {gres.split(':')[1]}: partition gpu ({gres.split(':')[1]})." in (
        planned.reasons
    )


def test_a_kind_that_was_passed_over_is_named(
    site: WriteSite, corpus_job: CorpusJob, project: Path
) -> None:
    fill_project(project, 600)
    mixed(site, SMALL, LARGE)

    planned = plan(corpus_job(REFINE))

    assert planned.reasons[1].startswith("Not on partition gpu (a5000): ")
    assert planned.reasons[2].startswith("Partition gpu (a100): ")
    assert "of 128 cores" in planned.summary[1]


def test_a_job_without_gpus_asks_for_no_type(site: WriteSite, corpus_job: CorpusJob) -> None:
    mixed(site, SMALL, LARGE)

    assert "gres" not in directives(plan(corpus_job(POSTPROCESS)))


@pytest.mark.parametrize(
    ("own", "option", "value"),
    [
        ({"constraint": "hopper"}, "constraint", ["hopper"]),
        ({"resources": ["nvme:1"]}, "gres", ["gpu:8,nvme:1"]),
        ({"scheduler_options": ["--reservation=big"]}, "reservation", ["big"]),
    ],
)
def test_a_kind_may_be_asked_for_in_other_ways(
    own: dict[str, Any], option: str, value: list[str], site: WriteSite, corpus_job: CorpusJob
) -> None:
    large = {key: value for key, value in LARGE.items() if key != "gpu_type"}
    mixed(site, {**large, **own})

    planned = plan(corpus_job(REFINE))

    assert directives(planned)[option] == value
    assert " usable of 80.0 GiB" in " ".join(planned.reasons)


def test_a_kind_that_nothing_asks_for_is_planned_for_the_smallest_gpus(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    """Ranks that fit into 80 GB would die on the nodes with 24 GB that the scheduler may give."""
    large = {key: value for key, value in LARGE.items() if key != "gpu_type"}
    mixed(site, large, SMALL)

    planned = plan(corpus_job(REFINE))

    assert directives(planned)["gres"] == ["gpu:8"]
    assert " usable of 24.0 GiB" in " ".join(planned.reasons)


def test_a_job_type_may_name_the_type_of_its_gpus(site: WriteSite, corpus_job: CorpusJob) -> None:
    mixed(site, SMALL, LARGE, gpu_type="a100")

    planned = plan(corpus_job(REFINE))

    assert directives(planned)["gres"] == ["gpu:a100:8"]
    says = "The job type asks for GPUs of type a100, and partition gpu (a5000) has a5000"
    assert planned.reasons[1].startswith(f"Not on partition gpu (a5000): {says}")


def test_a_type_that_no_partition_has_is_refused(site: WriteSite, corpus_job: CorpusJob) -> None:
    mixed(site, SMALL, LARGE, gpu_type="h200")
    script = corpus_job(REFINE)

    with pytest.raises(DoesNotFit, match=r"type h200, and partition gpu \(a5000\) has a5000"):
        plan(script)


def test_a_partition_that_says_nothing_of_its_types_is_asked_for_the_job_types(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    """AMD's and Intel's GPUs have types as well."""
    mixed(site, {"cores": 64, "gpus": 4, "gpu_memory": "64G"}, gpu_type="mi250")

    assert directives(plan(corpus_job(REFINE)))["gres"] == ["gpu:mi250:4"]


def test_resources_of_base_types_types_and_nodes_add_up(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    of_types = {"gpu": {"resources": ["lic:1"]}, "refine": {"resources": ["fast"]}}
    partitions = {"gpu": {**SMALL, "resources": ["nvme:1"]}}
    parameters = {"submit": {"partition": "gpu", "resources": ["any"]}, **of_types}
    content = {"scheduler": "slurm", "partitions": partitions, "job_parameters": parameters}
    site("site.json", content)

    found = directives(plan(corpus_job(REFINE)))

    assert found["gres"] == ["gpu:a5000:4,any,lic:1,fast,nvme:1"]


def test_a_job_type_may_name_the_feature_of_its_nodes(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    mixed(site, {**SMALL, "constraint": "ampere"}, {**LARGE, "constraint": "hopper"})
    first = plan(corpus_job(REFINE))
    mixed(
        site,
        {**SMALL, "constraint": "ampere"},
        {**LARGE, "constraint": "hopper"},
        constraint="hopper",
    )

    planned = plan(corpus_job(REFINE))

    assert directives(first)["constraint"] == ["ampere"]
    assert directives(planned)["constraint"] == ["hopper"]
    assert "the feature hopper, and partition gpu (a5000) has ampere" in planned.reasons[1]


def test_where_jobs_cannot_ask_for_a_type_they_are_planned_for_the_smallest_gpus(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    """Grid Engine, before its site has told by which names jobs ask for the type and for memory."""
    names = {"gpu_type": "", "memory": ""}
    for scheduler, of_card in (("gridengine", "24.0"), ("slurm", "80.0")):
        content = {"scheduler": scheduler, "partitions": {"gpu": {"nodes": [LARGE, SMALL]}}}
        own = {"schedulers": {"gridengine": {"names": names}}}
        site("site.json", {**content, **own, "job_parameters": {"submit": {"partition": "gpu"}}})

        said = " ".join(plan(corpus_job(REFINE)).reasons)

        assert f" usable of {of_card} GiB" in said
        assert ("GPUs of type" in said) == (scheduler == "slurm")
        assert "The scheduler is asked for" not in said


def test_a_job_on_gpus_does_not_go_to_nodes_without_any_among_those_with(
    site: WriteSite, corpus_job: CorpusJob, project: Path
) -> None:
    """It would run there for weeks, where another partition may have larger cards."""
    fill_project(project, 700)
    small = {"cores": 32, "memory": "250G", "gpus": 4, "gpu_memory": "11G"}
    mixed(site, small, {"cores": 128, "memory": "1000G", "gpus": 0})
    script = corpus_job(REFINE)

    with pytest.raises(DoesNotFit, match="no GPUs, others of the partition do"):
        plan(script)

    assert plan(corpus_job(POSTPROCESS)).ngpu == 0
