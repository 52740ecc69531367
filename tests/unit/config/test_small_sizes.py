"""A size that no card, node or rank has, most likely without its unit, is refused with its key."""

from __future__ import annotations

from typing import Any

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.errors import ConfigError
from dispatcher.images.building.recipes import find

from ...fixture_types import WriteSite


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            {"partitions": {"a": {"gpu_memory": 24}}},
            'key "partitions.a.gpu_memory": 24 means 24 bytes: write "24G" if GiB are meant, or',
        ),
        (
            {"partitions": {"a": {"gpu_memory": "46068"}}},
            '46068" means 46068 bytes: write "46068M"',
        ),
        ({"partitions": {"a": {"memory": 515000}}}, '"partitions.a.memory": 515000 means 515000 b'),
        ({"partitions": {"a": {"memory": "1.5K"}}}, '"1.5K" means 1536 bytes: write "1.5G" if GiB'),
        ({"job_parameters": {"gpu": {"mem": "120K"}}}, '"job_parameters.gpu.mem": "120K" means'),
        (
            {"job_parameters": {"gpu": {"mem_per_rank": "12kB"}}},
            'mem_per_rank": "12kB" means 12288',
        ),
        ({"gpu_constants": {"context": 500}}, "context: 500 means 500 bytes: write all bytes of"),
    ],
)
def test_a_size_of_the_site_without_its_unit_is_refused(
    content: dict[str, Any], says: str, site: WriteSite
) -> None:
    path = site("site.json", content)

    with pytest.raises(ConfigError) as error:
        load_configuration()

    assert str(error.value).startswith(str(path))
    assert says in str(error.value)


def test_a_size_of_a_job_type_is_refused_too(site: WriteSite) -> None:
    site(
        "dispatch_config.json",
        {"refine": {"match_command": "relion_refine", "adjust_GPU_nproc_to_mem": [4, 24]}},
    )

    with pytest.raises(ConfigError, match='"refine", key "adjust_GPU_nproc_to_mem": 24 means 24 b'):
        load_configuration()


@pytest.mark.parametrize(
    "content",
    [
        {"partitions": {"a": {"gpus": 0, "gpu_memory": 0, "memory": "8M"}}},
        {"partitions": {"a": {"gpu_memory": 25769803776}}},
        {"job_parameters": {"gpu": {"mem": 120}, "cpu": {"mem": "120"}, "sp": {"mem": "0"}}},
        {"gpu_constants": {"context": 0, "texture_pitch": 512, "allocation_step": 4096}},
    ],
)
def test_sizes_that_may_be_meant_are_taken(content: dict[str, Any], site: WriteSite) -> None:
    """A memory of 0 says nothing, and a `mem` without a unit is the scheduler's to understand."""
    site("site.json", content)

    load_configuration()


def test_a_recipes_space_is_refused_too(site: WriteSite) -> None:
    recipe = {"versions": "5", "variant": "cpu", "definition": "lab.def", "space": 20}
    site("containers/recipes.json", {"lab": [recipe]})
    site("containers/lab.def", "")

    with pytest.raises(ConfigError, match=r"recipes.json.*space: 20 means 20 bytes: write .20G."):
        find("lab", "5", None)
