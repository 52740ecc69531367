"""Mistakes in what a site says of partitions, scratch, accounts and mail, and their places."""

from __future__ import annotations

from typing import Any

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.config.partition import NodeKind, Partition, kinds
from dispatcher.errors import ConfigError
from dispatcher.units import seconds_of

from ...fixture_types import WriteSite


@pytest.mark.parametrize(
    ("partition", "says"),
    [
        ({"gpu_typ": "a100"}, 'gpu.gpu_typ": unknown key; did you mean "gpu_type"?'),
        ({"gpu_type": "a100:4"}, "gpu.gpu_type\": expected the scheduler's name of the GPUs"),
        ({"time": "12:30"}, 'gpu.time": expected a time like "48:00:00"'),
        ({"time": "2 days"}, 'found "2 days"'),
        ({"gpus_per_job": -1}, 'gpu.gpus_per_job": expected a whole number from 0'),
        ({"takes": {"boxes": [1, 2]}}, 'takes.boxes": unknown key; did you mean "box"?'),
        ({"takes": {"box": [500, 300]}}, 'gpu.takes.box": expected the least and the most'),
        ({"takes": {"box": [-1, None]}}, 'gpu.takes.box": expected the least and the most'),
        ({"takes": {"ranks": [1]}}, "gpu.takes.ranks"),
        ({"nodes": [{"gpus": 4}, {"cores": 0}]}, 'gpu.nodes.1.cores": expected a whole number'),
        ({"nodes": [{"gpu_memory": "much"}]}, 'gpu.nodes.0.gpu_memory": expected bytes'),
        ({"nodes": [{"qos": "long"}]}, "gpu.nodes.0.qos"),
        ({"scratch": {"folder": "/a /b"}}, 'gpu.scratch.folder": expected one folder'),
        ({"scratch": {"folder": "scratch"}}, 'gpu.scratch.folder": expected one folder'),
        ({"scratch": {"folder": "/a'"}}, "gpu.scratch.folder"),
        ({"scratch": {"folder": "/a", "size": "some"}}, "gpu.scratch.size"),
        (
            {"scratch": {"folder": "/a", "resource": "disk:{gigabytes}"}},
            'gpu.scratch.resource": disk:{gigabytes} needs a size',
        ),
    ],
)
def test_a_mistake_in_a_partition_is_told_with_its_place(
    partition: dict[str, Any], says: str, site: WriteSite
) -> None:
    site("site.json", {"partitions": {"gpu": partition}})

    with pytest.raises(ConfigError) as error:
        load_configuration()

    assert says in str(error.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            {"accounts": [{"acount": "x"}]},
            'accounts.0.acount": unknown key; did you mean "account"',
        ),
        ({"accounts": [{"users": ["ada"]}]}, 'accounts.0": the rule says nothing'),
        (
            {"partitions": {"gpu": {}}, "accounts": [{"partitions": ["gpuu"], "account": "x"}]},
            'no partition "gpuu" in "partitions"; did you mean "gpu"?',
        ),
        (
            {"accounts": [{"project": "/data/{lab}", "account": "{labs}"}]},
            'accounts.0.account": nothing is known as "labs" here; did you mean "lab"?',
        ),
        ({"accounts": [{"project": "data", "qos": "x"}]}, 'accounts.0.project": expected a full'),
        ({"accounts": [{"project": "/{a}/{a}", "qos": "x"}]}, "give each of the names in braces"),
        ({"accounts": [{"variables": ["MY ACCOUNT"]}]}, '"MY ACCOUNT" is not a name of a variable'),
        (
            {"accounts": [{"job_types": ["refin"], "qos": "x"}]},
            'accounts.0.job_types": there is no job type "refin"; did you mean "refine"?',
        ),
        ({"mail": {"on": ["failed"]}}, "mail.on"),
        ({"mail": {"to": "{name}@example.org"}}, 'mail.to": nothing is known as "name" here'),
        ({"mail": {"to": "ada, eve"}}, 'mail.to": expected one address, found "ada, eve"'),
        ({"scratch": {"folder": "here"}}, 'scratch.folder": expected one folder'),
        ({"schedulers": {"slurm": {"memory_per": "cpu"}}}, "slurm.memory_per"),
        ({"schedulers": {"slurm": {"account_variables": ["A B"]}}}, "slurm.account_variables"),
        ({"job_parameters": {"gpu": {"qos": ["long"]}}}, 'gpu.qos": expected a text'),
        (
            {"job_parameters": {"gpu": {"resources": "disk"}}},
            'resources": expected a list of texts',
        ),
    ],
)
def test_a_mistake_in_a_rule_is_told_with_its_place(
    content: dict[str, Any], says: str, site: WriteSite
) -> None:
    site("site.json", content)

    with pytest.raises(ConfigError) as error:
        load_configuration()

    assert says in str(error.value)


@pytest.mark.parametrize(
    "content",
    [
        {"scheduler": "slurm", "partitions": {"gpu": {"scheduler_options": ["--clusters=far"]}}},
        {
            "scheduler": "slurm",
            "partitions": {"gpu": {"nodes": [{"scheduler_options": ["--clusters=far"]}]}},
        },
        {"scheduler": "slurm", "accounts": [{"scheduler_options": ["--clusters=far"]}]},
    ],
)
def test_no_option_sends_the_job_to_another_cluster(
    content: dict[str, Any], site: WriteSite
) -> None:
    site("site.json", content)

    with pytest.raises(ConfigError, match=r'"--clusters=far" is not allowed here'):
        load_configuration()


def test_what_was_checked_is_read_again_as_it_was(site: WriteSite) -> None:
    """The checked configuration is kept as JSON."""
    site(
        "site.json",
        {
            "partitions": {"gpu": {"takes": {"box": [300, None]}, "nodes": [{"gpus": 4}]}},
            "accounts": [{"account": "em"}],
            "mail": {"on": ["end"]},
            "scratch": {"folder": "/scratch", "size": "4G"},
        },
    )

    first, again = load_configuration().site, load_configuration().site

    assert again == first
    assert again.partitions["gpu"].takes.box == (300, None)


def test_a_kind_that_nothing_asks_for_has_the_smallest_gpus() -> None:
    """The scheduler may give nodes of any kind, and chooses by the number of GPUs alone."""
    small, large = NodeKind(gpus=4, gpu_memory="24G"), NodeKind(gpus=8, gpu_memory="80G")
    named = NodeKind(gpus=8, gpu_memory="80G", gpu_type="a100")
    none = NodeKind(gpus=0, cores=96)

    assert [each.gpu_memory for each in kinds(Partition(nodes=[small, large]))] == ["24G", "24G"]
    assert [each.gpu_memory for each in kinds(Partition(nodes=[small, named]))] == ["24G", "80G"]
    assert [each.gpu_memory for each in kinds(Partition(nodes=[none, large]))] == [None, "80G"]
    untold = [NodeKind(gpu_memory="24G"), NodeKind(gpu_memory="80G")]  # how many GPUs they have
    assert [each.gpu_memory for each in kinds(Partition(nodes=untold))] == ["24G", "24G"]


def test_a_kind_has_from_the_partition_what_it_leaves_out() -> None:
    kind = NodeKind(gpus=8, scheduler_options=["--b"])
    (found,) = kinds(Partition(cores=64, gpus=4, scheduler_options=["--a"], nodes=[kind]))

    assert (found.cores, found.gpus, found.scheduler_options) == (64, 8, ["--a", "--b"])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("00:10:00", 600),
        ("168:00:00", 604800),
        ("7-0", 604800),
        ("1-12:30", 131400),
        ("1-12:30:05", 131405),
        ("90", None),
        ("12:30", None),
        ("", None),
        ("infinite", None),
        ("1-", None),
    ],
)
def test_a_time_is_read_if_it_means_the_same_to_all(text: str, seconds: int | None) -> None:
    assert seconds_of(text) == seconds
