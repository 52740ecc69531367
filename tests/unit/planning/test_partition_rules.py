"""What a partition allows its jobs: how large they are, whose, for how long, and on which GPUs."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.errors import DoesNotFit
from dispatcher.images.awaited import awaited_images

from ...fixture_types import CorpusJob, WriteSite
from ...scheduler_directives import directives
from .planned import REFINE, plan

pytestmark = pytest.mark.usefixtures("images")

SHAPE = {"cores": 64, "gpus": 8, "gpu_memory": "24G", "memory": "500G"}
POSTPROCESS = "relion-5.0.1/PostProcess_job016"
USER = pwd.getpwuid(os.getuid()).pw_name


def on(site: WriteSite, first: dict[str, Any], **content: Any) -> None:
    """A Slurm site whose jobs go to the first partition, or to another that takes all."""
    partitions = {"first": {**SHAPE, **first}, "other": SHAPE}
    submit = {"partitions": ["first", "other"]}
    content.setdefault("job_parameters", {"submit": submit})
    site("site.json", {"scheduler": "slurm", "partitions": partitions, **content})


@pytest.mark.parametrize(
    ("takes", "says"),
    [
        ({"box": [256, 256]}, ""),
        ({"box": [None, 255]}, "jobs with boxes of at most 255 pixels, not 256 (takes.box)"),
        ({"box": [257, None]}, "jobs with boxes of at least 257 pixels, not 256 (takes.box)"),
        ({"box": [300, 500]}, "jobs with boxes of 300 to 500 pixels, not 256 (takes.box)"),
        ({"ranks": [1, 4]}, "jobs with 1 to 4 ranks, not "),
        ({"gpus": [8, None]}, ""),
        ({"gpus": [None, 0]}, "jobs with at most 0 GPUs of a node, not 8 (takes.gpus)"),
        ({"nodes": [2, None]}, "jobs with at least 2 nodes, not 1 (takes.nodes)"),
        ({"users": [USER]}, ""),
        ({"users": ["somebody"]}, "jobs of somebody alone (takes)"),
        ({"groups": ["no such group"]}, "jobs of no such group alone (takes)"),
        ({"users": [USER], "groups": ["no such group"]}, ""),
    ],
)
def test_a_job_goes_where_it_is_taken(
    takes: dict[str, Any], says: str, site: WriteSite, corpus_job: CorpusJob
) -> None:
    on(site, {"takes": takes})

    planned = plan(corpus_job(REFINE))

    assert planned.job_parameters["partition"] == ("other" if says else "first")
    over = f"Not on partition first: Partition first takes {says}"
    assert planned.reasons[1].startswith(over) == bool(says)


def test_a_job_that_no_partition_takes_is_refused_with_what_to_do(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    submit = {"partition": "first"}
    on(site, {"takes": {"box": [300, None]}}, job_parameters={"submit": submit})
    script = corpus_job(REFINE)

    with pytest.raises(DoesNotFit) as error:
        plan(script)

    assert str(error.value) == (
        "Partition first takes jobs with boxes of at least 300 pixels, not 256 (takes.box): ask "
        'your admin for another partition for job type "refine" (job_parameters in site.json).'
    )


def test_a_job_without_a_box_is_not_measured_by_it(site: WriteSite, corpus_job: CorpusJob) -> None:
    on(site, {"takes": {"box": [300, None]}})

    assert plan(corpus_job(POSTPROCESS)).job_parameters["partition"] == "first"


@pytest.mark.parametrize(
    ("of_type", "of_partition", "found"),
    [
        (None, "2-00:00:00", "2-00:00:00"),
        ("12:00:00", "2-00:00:00", "12:00:00"),
        ("72:00:00", "2-00:00:00", "2-00:00:00"),
        ("2-00:00:00", "48:00:00", "2-00:00:00"),
        ("90", "1-00:00:00", "90"),
        ("72:00:00", None, "72:00:00"),
    ],
)
def test_a_job_asks_for_no_more_time_than_its_partition_gives(
    of_type: str | None,
    of_partition: str | None,
    found: str,
    site: WriteSite,
    corpus_job: CorpusJob,
) -> None:
    submit = {"partitions": ["first"], "time": of_type}
    on(site, {"time": of_partition}, job_parameters={"submit": submit})

    planned = plan(corpus_job(REFINE))

    assert directives(planned)["time"] == [found]
    assert f"time {found}" in planned.summary[1]
    assert any(each.startswith(f"Time {found}") for each in planned.reasons) == (found != of_type)


def test_one_job_has_no_more_gpus_of_a_node_than_the_partition_gives(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    """Four of eight GPUs, and so half of the cores."""
    on(site, {"gpus_per_job": 4})

    planned = plan(corpus_job(REFINE))

    assert (planned.ngpu, planned.job_parameters["partition"]) == (4, "first")
    said = "4 GPUs of 8: partition first gives one job no more (gpus_per_job)."
    assert said in planned.reasons
    assert planned.nproc * planned.nthread <= 32


@pytest.mark.parametrize(("of_partition", "mps"), [(None, True), (False, False), (True, True)])
def test_a_partition_may_do_without_mps(
    of_partition: bool | None, mps: bool, site: WriteSite, corpus_job: CorpusJob
) -> None:
    on(site, {"mps": of_partition, "gpu_memory": "80G", "cores": 256})

    planned = plan(corpus_job(REFINE))

    assert planned.nproc > planned.ngpu + 1, "ranks share GPUs"
    assert planned.mps == mps
    assert planned.site.mps == mps, "as templates see it"


def test_a_partition_may_have_gpus_of_another_maker(
    site: WriteSite, corpus_job: CorpusJob, tmp_path: Path
) -> None:
    on(site, {"gpu_option": "--rocm", "gpu_type": "mi250"})
    builds = [
        {"variant": kind, "path": f"relion-5.1.0-{file}.sif", "gpu": kind}
        for kind, file in (("nvidia", "cuda"), ("amd", "cpu"))
    ]
    site("images.json", {"relion": {"default": "5.1.0", "versions": {"5.1.0": builds}}})

    planned = plan(corpus_job(REFINE))

    assert planned.image and planned.image.variant == "amd"
    assert "--rocm" in planned.as_json()["commands"][0]["prefix"]
    assert not planned.mps
    assert directives(planned)["gres"] == ["gpu:mi250:8"]


def test_check_has_made_up_images_for_each_maker_of_gpus(site: WriteSite, tmp_path: Path) -> None:
    on(site, {"gpu_option": "--rocm"}, image="relion")
    configuration = load_configuration()

    catalogue = awaited_images(tmp_path, configuration.job_types, configuration.site)

    builds = [each.build for each in catalogue.find("relion", "not-added-yet")]
    assert [each.gpu for each in builds] == ["nvidia", "amd", None]


def test_mail_goes_to_whoever_submits(site: WriteSite, corpus_job: CorpusJob) -> None:
    on(site, {}, mail={"on": ["begin", "failure"], "to": "{user}@example.org"})

    planned = plan(corpus_job(REFINE))

    found = directives(planned)
    assert found["mail-type"] == ["BEGIN,FAIL,TIME_LIMIT"]
    assert found["mail-user"] == [f"{USER}@example.org"]
    assert f"Mail to {USER}@example.org at the beginning and on failure." in planned.reasons
