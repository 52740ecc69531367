"""What `site init` takes for what, in a Grid Engine whose hosts and queues differ."""

from __future__ import annotations

from typing import Any

import pytest

from dispatcher.config.json_edit import without_comments

from .clusters import EACH, ge_described, ge_host, ge_queue
from .conftest import site_of

COMPLEXES = (
    "#name shortcut type relop requestable consumable default urgency\n"
    "disk  disk MEMORY <= YES YES 0 0\n"
    "gpu gpu INT <= YES JOB 0 0\n"
    "gpu_mem gmem MEMORY <= YES YES 0 0\n"
    "h_vmem h_vmem MEMORY <= YES YES 0 0\n"
    "mem_free mf MEMORY <= YES YES 2G 0\n"
    "work work MEMORY <= YES YES 0 0\n"
)


def site(
    queues: dict[str, dict[str, str]],
    hosts: dict[str, str],
    offers: dict[str, str],
    group: str = "",
) -> dict[str, Any]:
    """The site of queues with these values, hosts in these queues, and what the hosts offer."""
    content = site_of(
        "gridengine",
        {
            "qconf -sq *": "\n\n".join(ge_queue(name, **each) for name, each in queues.items()),
            "qhost -q -xml": "".join(ge_host(name, {q: (32, "")}) for name, q in hosts.items()),
            f"{EACH} -se {' '.join(hosts)}": "".join(
                ge_described(name, offers.get(name, "NONE"), "257000M") for name in hosts
            ),
            "qconf -sc": COMPLEXES,
            "qconf -spl": "smp\n",
            f"{EACH} -sp smp": "pe_name  smp\nallocation_rule $pe_slots\n",
            "qconf -shgrp_resolved @gpu": group,
        },
    ).content
    return dict(without_comments(content))


@pytest.mark.parametrize(
    ("offer", "name"),
    [
        ("disk=3000G,gpu_mem=80G,mem_free=250G", "mem_free"),
        ("disk=250G,h_vmem=250G,gpu_mem=250G", ""),
        ("work=250G", "work"),  # as much as the host has memory
        ("work=3000G", ""),
        ("work=250G,mem_free=8G", "work"),
    ],
)
def test_what_counts_memory_is_called_so_or_is_as_large(offer: str, name: str) -> None:
    found = site({"all.q": {"pe_list": "smp"}}, {"n1": "all.q"}, {"n1": offer})

    assert found["schedulers"]["gridengine"]["names"].get("memory", "") == name


def test_values_of_single_hosts_and_groups_count() -> None:
    queues = {
        "gpu.q": {
            "complex_values": "NONE,[n1=gpu=4], \\\n                      [@gpu=gpu=2]",
            "pe_list": "NONE,[@gpu=smp]",
        },
        "all.q": {"pe_list": "smp"},
    }

    found = site(queues, {"n1": "gpu.q", "n2": "gpu.q", "n3": "gpu.q", "n4": "all.q"}, {}, "n1 n2")

    assert found["schedulers"]["gridengine"]["names"]["gpus"] == "gpu"
    assert found["partitions"]["gpu.q"]["gpus"] == 2  # n3 does not take the environment
    assert found["job_parameters"]["gpu"]["partitions"] == ["gpu.q"]


def test_a_queue_that_others_suspend_comes_last() -> None:
    queues = {
        "gpu.q": {"pe_list": "smp", "h_rt": "24:00:00", "subordinate_list": "slots=2(low.q:1:sr)"},
        "low.q": {"pe_list": "smp"},
    }

    found = site(queues, {"n1": "gpu.q", "n2": "low.q"}, {})

    assert found["job_parameters"]["submit"]["partitions"] == ["gpu.q", "low.q"]
