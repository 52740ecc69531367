"""What `site init --update` adds to a site.json that an admin has written."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from dispatcher.site.init.merge import add_missing_keys, differences

KINDS = [{"gpus": 4, "gpu_memory": "40960M", "gpu_type": "a100"}, {"gpus": 2, "gpu_type": "v100"}]


@pytest.mark.parametrize(
    ("there", "new"),
    [
        # a measured size, and guesses of several kinds
        (
            {"partitions": {"gpu": {"cores": 60, "gpus": 4, "gpu_memory": "39000M"}}},
            {"partitions": {"gpu": {"nodes": KINDS}}},
        ),
        (
            {"partitions": {"gpu": {"nodes": KINDS}}},
            {"partitions": {"gpu": {"cores": 64, "gpus": 2, "gpu_memory": "40960M"}}},
        ),
        (
            {"partitions": {"gpu": {"cores": 60}}},
            {"partitions": {"gpu": {"cores": 60, "account": "lab", "qos": "long",
                                    "takes": {"groups": ["em"]}, "gpu_type": "a100"}}},
        ),
        (
            {"job_parameters": {"gpu": {"partition": "gpu"}}},
            {"job_parameters": {"gpu": {"partitions": ["gpu", "scavenge"]},
                                "submit": {"partitions": ["cpu"]}}},
        ),
        (
            {"job_parameters": {"submit": {"partitions": ["all"]}}},
            {"job_parameters": {"gpu": {"partitions": ["gpu", "scavenge"]}}},
        ),
        (
            {"schedulers": {"gridengine": {"names": {"memory": "m_mem"}}}},
            {"schedulers": {"gridengine": {"names": {"memory": "rmem", "gpus": "gpu"},
                                           "memory_per": "node"}}},
        ),
    ],
)  # fmt: skip
def test_what_is_described_is_not_described_again(
    there: dict[str, Any], new: dict[str, Any]
) -> None:
    content = copy.deepcopy(there)

    assert not list(add_missing_keys(content, new))

    assert content == there
    assert list(differences(content, new))


@pytest.mark.parametrize(
    ("there", "new", "added"),
    [
        (
            {"partitions": {"gpu": {"cores": 60}}},
            {"partitions": {"gpu": {"cores": 64, "memory": "250G", "time": "1-00:00:00"}}},
            ["partitions.gpu.memory", "partitions.gpu.time"],
        ),
        (
            {"partitions": {"gpu": {"nodes": KINDS}}},
            {"partitions": {"gpu": {"nodes": KINDS, "time": "1-00:00:00"}}},
            ["partitions.gpu.time"],
        ),
        (  # nothing but its name
            {"partitions": {"gpu": {"__comment__": "ours"}}},
            {"partitions": {"gpu": {"cores": 64, "account": "lab"}}},
            ["partitions.gpu.cores", "partitions.gpu.account"],
        ),
        (
            {"job_parameters": {"gpu": {"time": "1-00:00:00"}}},
            {"job_parameters": {"gpu": {"partitions": ["gpu"]}}},
            ["job_parameters.gpu.partitions"],
        ),
        (
            {"schedulers": {"gridengine": {"timeout": 30}}},
            {"schedulers": {"gridengine": {"names": {"memory": "rmem"}, "memory_per": "node"}}},
            ["schedulers.gridengine.names", "schedulers.gridengine.memory_per"],
        ),
    ],
)
def test_what_is_not_described_is_added(
    there: dict[str, Any], new: dict[str, Any], added: list[str]
) -> None:
    assert list(add_missing_keys(there, new)) == added


def test_differences_tell_what_is_there_in_place_of_a_key() -> None:
    there = {
        "partitions": {"gpu": {"gpus": 4, "gpu_memory": "39000M"}, "old": {"nodes": KINDS}},
        "job_parameters": {"gpu": {"partition": "gpu"}},
    }
    new = {
        "partitions": {"gpu": {"nodes": KINDS}, "old": {"gpus": 4}},
        "job_parameters": {"gpu": {"partitions": ["gpu", "old"]}},
    }

    assert list(differences(there, new)) == [
        ("partitions.gpu.nodes", {"gpus": 4, "gpu_memory": "39000M"}, KINDS),
        ("partitions.old.gpus", KINDS, 4),
        ("job_parameters.gpu.partitions", ["gpu"], ["gpu", "old"]),
    ]
    same = {"job_parameters": {"gpu": {"partitions": ["gpu"]}}}
    assert not list(differences(there, same))
