"""What `site init` makes of Slurm's clusters, by what `scontrol` prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.json_edit import without_comments
from dispatcher.config.site import checked_site
from dispatcher.scheduler.surveyed import SurveyedNode
from dispatcher.site.init.shapes import describe

from .clusters import SLURM, slurm_node, slurm_partition
from .conftest import Keys, Made, comments, site_of_slurm, surveyed

A100 = {"cores": 128, "memory": "1023000M", "gpus": 4, "gpu_memory": "81920M"}


@pytest.mark.parametrize(
    ("partition", "expected"),
    [
        # c0007 has less, c0009 is out of service
        ("batch", {"cores": 48, "memory": "125G", "gpus": 0, "time": "7-00:00:00"}),
        (
            "gpu",
            {
                "nodes": [
                    {"cores": 64, "memory": "257000M", "gpus": 6, "gpu_memory": "11016M",
                     "gpu_type": "rtx2080ti"},
                    {**A100, "gpu_type": "nvidia_a100-sxm4-80gb"},
                ],
                "time": "2-00:00:00",
            },
        ),
        ("gpu-a100", {**A100, "time": "14-00:00:00", "takes": {"groups": ["cryoem", "xray"]}}),
        (
            "old.gpu",  # no types: features name the cards
            {
                "nodes": [
                    {"cores": 20, "memory": "100000M", "gpus": 2, "gpu_memory": "12193M",
                     "constraint": "p100"},
                    {"cores": 20, "memory": "100000M", "gpus": 4, "gpu_memory": "16160M",
                     "constraint": "v100"},
                ],
            },
        ),
        (
            "mig",  # two kinds in one node
            {
                "nodes": [
                    {"cores": 64, "memory": "257000M", "gpus": 7, "gpu_memory": "9728M",
                     "gpu_type": "1g.10gb"},
                    {"cores": 64, "memory": "257000M", "gpus": 2, "gpu_memory": "38912M",
                     "gpu_type": "3g.40gb"},
                ],
            },
        ),
        (
            "amd",
            {"cores": 64, "memory": "257000M", "gpus": 8, "gpu_memory": "65520M",
             "gpu_option": "--rocm"},
        ),
        ("mine", {**A100, "account": "lab", "qos": "long"}),
        ("closed", {"cores": 64, "memory": "257000M", "gpus": 4}),
    ],
)  # fmt: skip
def test_slurms_partitions(partition: str, expected: dict[str, Any], keys_of: Keys) -> None:
    assert keys_of("slurm")["partitions"][partition] == expected


def test_slurms_partitions_that_no_job_can_use_are_left_out(made: Made) -> None:
    site = made("slurm")

    assert not {"admin", "empty"} & {*site.content["partitions"]}
    assert [text for text in site.unknown if text.startswith("What nodes empty has")]


@pytest.mark.parametrize(
    ("partition", "says"),
    [
        ("batch", "1 with 48 cores, 125G; 1198 with 64 cores, 257000M."),
        ("batch", "1 node out of service are not counted"),
        ("batch", "2 of its cores are one"),
        ("batch", "not taken: guests."),
        ("gpu-a100", "gpu_memory of nvidia_a100-sxm4-80gb is a guess"),
        ("closed", "gpu_memory of unheard_of is not known."),
        ("closed", "its state is INACTIVE."),
        ("hidden", "it is hidden."),
        ("debug", "may run for 30 minutes only."),
        ("paid", "one of these accounts: smith, jones."),
        ("mine", "account: the only one"),
        ("amd", "a reservation alone"),
        ("mig", "parts of cards (MIG), of which a process sees one"),
        ("mig", "PreemptMode=REQUEUE"),
    ],
)
def test_each_guess_about_a_partition_has_a_comment(partition: str, says: str, made: Made) -> None:
    assert says in comments(made("slurm"), partition)


def test_gpu_job_types_go_to_partitions_with_gpus_the_smallest_cards_first(keys_of: Keys) -> None:
    types = keys_of("slurm")["job_parameters"]

    assert types["submit"]["partitions"] == ["batch"]
    assert types["gpu"]["partitions"] == ["gpu", "old.gpu", "gpu-a100", "mine"]
    assert types["external"]["partitions"] == ["batch", *types["gpu"]["partitions"]]


def test_what_slurm_says_of_the_cluster_is_noted(made: Made) -> None:
    site = made("slurm")
    (*notes,) = site.content["__comment__"]

    assert "Slurm 24.05.4" in notes[0]
    assert any("no PMIx" in note for note in notes)
    assert any("does not count memory (SelectTypeParameters=CR_CORE)" in note for note in notes)
    assert not any("keeps no accounts" in note for note in notes)
    assert any(text.startswith("Which account pays") for text in site.unknown)


def test_without_accounting_a_comment_says_how_long_jobs_are_known() -> None:
    config = "AccountingStorageType = accounting_storage/none\nMinJobAge = 120 sec\n"

    told = surveyed("slurm", {**SLURM, "scontrol show config": config})

    assert told and any("forgets a job 120 sec after its end" in note for note in told.notes)


def test_if_no_node_works_all_count() -> None:
    nodes = SLURM["scontrol --all --oneliner show node"]
    down = nodes.replace("State=IDLE", "State=DOWN").replace("State=MIXED", "State=DOWN")

    told = surveyed("slurm", {**SLURM, "scontrol --all --oneliner show node": down})

    assert told and not any(node.works for each in told.partitions for node in each.nodes)


def test_a_job_asks_for_a_time_where_it_would_get_a_short_one() -> None:
    hour = {"MaxTime": "UNLIMITED", "DefaultTime": "01:00:00"}
    partitions = [slurm_partition("endless", **hour),
                  slurm_partition("limited", **{**hour, "MaxTime": "2-00:00:00"}),
                  slurm_partition("free", DefaultTime="NONE")]  # fmt: skip

    site = site_of_slurm(partitions, [slurm_node("n1", "endless,limited,free")])

    found = {name: each.get("time") for name, each in site.content["partitions"].items()}
    assert found == {"endless": "7-00:00:00", "limited": "2-00:00:00", "free": None}
    assert "a job that asks for no time has 01:00:00." in comments(site, "endless")


def test_a_kind_of_nodes_of_which_none_works_now_is_described() -> None:
    out = {"Gres": "gpu:a100:4", "State": "IDLE+DRAIN"}
    nodes = [*(slurm_node(name, "all") for name in ("c1", "c2")),
             *(slurm_node(name, "all", **out) for name in ("g1", "g2")),
             slurm_node("v1", "all", Gres="gpu:v100:2"),
             slurm_node("v2", "all", Gres="gpu:v100:1", State="DOWN*")]  # fmt: skip

    site = site_of_slurm([slurm_partition("all")], nodes)

    found = [(each.get("gpu_type"), each["gpus"]) for each in
             site.content["partitions"]["all"]["nodes"]]  # fmt: skip
    assert found == [("v100", 2), ("a100", 4), (None, 0)]
    assert "None of its nodes with a100 works now. " in comments(site, "all")
    assert "1 node out of service are not counted." in comments(site, "all")
    assert not any(text.startswith("Where GPUs are") for text in site.unknown)


def test_a_node_out_of_service_that_tells_nothing_is_no_kind_of_its_own() -> None:
    nodes = [SurveyedNode("g1", 64, 2**38, 4, "a100", ("a100",)),
             SurveyedNode("g2", 1, works=False)]  # fmt: skip

    assert "nodes" not in describe(nodes).keys


@pytest.mark.parametrize(
    "changed",
    [
        {"RealMemory": "1"},  # Slurm's default
        {"RealMemory": "8000", "MemSpecLimit": "7999"},
        {"RealMemory": "8000", "MemSpecLimit": "9000"},
    ],
)
def test_a_size_that_no_node_has_is_not_known(changed: dict[str, str], tmp_path: Path) -> None:
    nodes = [slurm_node("n1", "cpu", **changed)]

    site = site_of_slurm([slurm_partition("cpu"), slurm_partition("big")],
                         [*nodes, slurm_node("n2", "big")])  # fmt: skip

    assert "memory" not in site.content["partitions"]["cpu"]
    assert [text for text in site.unknown
            if text.startswith("How much memory the nodes of cpu have: ")]  # fmt: skip
    checked_site(without_comments(site.content), tmp_path / "site.json")


def test_a_job_gets_no_part_of_a_card_where_there_are_whole_ones() -> None:
    nodes = [SurveyedNode("n1", 64, 2**38, 4, "a100", ("a100",)),
             SurveyedNode("n2", 64, 2**38, 7, "1g.10gb", ("1g.10gb",))]  # fmt: skip

    described = describe(nodes)

    assert described.keys == {"cores": 64, "memory": "256G", "gpus": 4, "gpu_memory": "40960M",
                              "gpu_type": "a100"}  # fmt: skip
    assert "Parts of cards are left out: 1g.10gb." in described.notes


def test_parts_with_full_names_are_no_whole_cards_either() -> None:
    part = "nvidia_h100_80gb_hbm3_1g.10gb"
    nodes = [SurveyedNode("n1", 64, 2**38, 7, part, (part,)),
             SurveyedNode("n2", 64, 2**38, 4, "h100", ("h100",))]  # fmt: skip

    assert describe(nodes[:1]).has_parts_alone
    assert f"Parts of cards are left out: {part}." in describe(nodes).notes


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, ["gpu", "gpu-scavenge"]),
        ({"PreemptMode": "OFF"}, ["gpu-scavenge", "gpu"]),  # the longer time
        ({"PriorityTier": "10"}, ["gpu-scavenge", "gpu"]),  # the mode is the cluster's
    ],
)
def test_a_partition_whose_jobs_give_way_to_those_of_others_comes_last(
    changed: dict[str, str], expected: list[str]
) -> None:
    scavenge = {"MaxTime": "7-00:00:00", "PreemptMode": "CANCEL", "PriorityTier": "1", **changed}
    gpu = slurm_partition(
        "gpu", MaxTime="2-00:00:00", PreemptMode=scavenge["PreemptMode"], PriorityTier="10"
    )

    site = site_of_slurm(
        [gpu, slurm_partition("gpu-scavenge", **scavenge)],
        [slurm_node("n1", "gpu,gpu-scavenge", Gres="gpu:a100:4")],
    )

    assert site.content["job_parameters"]["gpu"]["partitions"] == expected
    says = "Jobs of gpu may stop jobs here" in comments(site, "gpu-scavenge")
    assert says == (expected[-1] == "gpu-scavenge")
