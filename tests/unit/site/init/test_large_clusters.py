"""What `site init` makes of large clusters of all four schedulers, by what their commands print."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.json_edit import without_comments
from dispatcher.config.site import checked_site
from dispatcher.scheduler.surveyed import SurveyedNode
from dispatcher.site.init.content import NewSite
from dispatcher.site.init.shapes import describe

from .clusters import EACH, GRID_ENGINE, LSF, PBS, SLURM, slurm_node, slurm_partition
from .conftest import TEXTS, site_of, site_of_slurm, surveyed

Keys = Callable[[str], dict[str, Any]]
Made = Callable[[str], NewSite]

ASKED_NODES, ASKED_QUEUES = "pbsnodes -a -v -F json", "qstat -Q -f -F json"
ASKED_SERVER = "qstat -B -f -F json"
A100 = {"cores": 128, "memory": "1023000M", "gpus": 4, "gpu_memory": "81920M"}


def comments(site: NewSite, partition: str) -> str:
    return " ".join(site.content["partitions"][partition].get("__comment__", []))


@pytest.mark.parametrize("scheduler", TEXTS)
def test_a_scheduler_that_does_not_answer_is_none(scheduler: str) -> None:
    assert surveyed(scheduler, {}) is None


@pytest.mark.parametrize("scheduler", TEXTS)
def test_no_scheduler_takes_the_answers_of_another_for_its_own(scheduler: str) -> None:
    others = {words: text for name, texts in TEXTS.items() if name != scheduler
              for words, text in texts.items()}  # fmt: skip

    assert surveyed(scheduler, others) is None


@pytest.mark.parametrize("scheduler", TEXTS)
def test_answers_that_break_off_are_no_reason_to_stop(scheduler: str) -> None:
    for words, text in TEXTS[scheduler].items():
        surveyed(scheduler, {**TEXTS[scheduler], words: text[: len(text) // 2]})
        surveyed(scheduler, {**TEXTS[scheduler], words: ""})
        surveyed(scheduler, {**TEXTS[scheduler], words: "command not configured\n"})


# Slurm


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


# Grid Engine


def test_gridengines_queues(keys_of: Keys) -> None:
    site = keys_of("gridengine")

    assert site["partitions"]["gpu.q"] == {
        "nodes": [
            {"cores": 16, "memory": "120G", "gpus": 2, "gpu_memory": "12193M", "gpu_type": "p100"},
            {"cores": 64, "memory": "1000G", "gpus": 8, "gpu_memory": "46068M", "gpu_type": "a40"},
        ],
        "time": "1-00:00:00",  # the least of all hosts
    }
    assert site["partitions"]["em.q"] == {
        "cores": 32,
        "memory": "1000G",
        "gpus": 8,
        "gpu_memory": "46068M",
        "account": "cryo",
        "takes": {"users": ["ada", "eve"], "groups": ["cryoem"]},
    }


def test_gridengines_names_are_guessed_from_what_hosts_offer(keys_of: Keys, made: Made) -> None:
    assert keys_of("gridengine")["schedulers"]["gridengine"] == {
        "names": {
            "parallel_environment": "openmp",
            "gpus": "gpu_card",
            "gpu_type": "gpu_type",
            "memory": "rmem",
        },
        "gpus_per": "core",
        "memory_per": "core",
    }
    reasons = made("gridengine").content["schedulers"]["gridengine"]["__comment__"]
    assert "memory_per: a guess. `qconf -sc` says consumable YES of rmem." in reasons


def test_gridengines_queues_that_take_no_such_jobs_are_left_to_people(made: Made) -> None:
    site = made("gridengine")

    assert "it takes no batch jobs" in comments(site, "inter.q")
    assert "None of its nodes works now." in comments(site, "short.q")
    assert "inter.q" not in site.content["job_parameters"]["submit"]["partitions"]


def test_a_gridengine_without_complexes_says_what_is_missing() -> None:
    bare = {**GRID_ENGINE, "qconf -sc": "", "qconf -spl": ""}

    told = surveyed("gridengine", bare)

    assert told and not told.settings
    assert [text.split(":")[0] for text in told.unknown] == [
        "Which parallel environment has all slots of a job on one host ($pe_slots)",
        "How jobs ask for GPUs",
        "How jobs ask for memory",
    ]


def test_gridengines_virtual_memory_is_never_taken_for_memory() -> None:
    """CUDA maps far more of it than it uses."""
    host = f"{EACH} -se big1 big2 old1 node1"
    bare = {**GRID_ENGINE, host: GRID_ENGINE[host].replace("rmem=", "h_vmem=")}

    told = surveyed("gridengine", bare)

    assert told and not {"names.memory", "memory_per"} & {each.key for each in told.settings}
    assert any(text.startswith("How jobs ask for memory") for text in told.unknown)


def test_where_gridengines_queues_suspend_jobs_the_warning_is_off() -> None:
    queues = GRID_ENGINE["qconf -sq *"].replace("seq_no ", "subordinate_list all.q\nseq_no ", 1)

    told = surveyed("gridengine", {**GRID_ENGINE, "qconf -sq *": queues})

    assert told and ("names.notify", "") in [each[:2] for each in told.settings]


# PBS


@pytest.mark.parametrize(
    ("queue", "expected"),
    [
        ("work", {"cores": 64, "memory": "128G", "gpus": 0, "time": "7-00:00:00"}),
        ("short", {"cores": 16, "memory": "128G", "gpus": 0, "time": "00:20:00"}),
        (
            "gpu",  # uv has two vnodes
            {
                "nodes": [
                    {"cores": 64, "memory": "200G", "gpus": 4, "gpu_memory": "16160M",
                     "gpu_type": "v100"},
                    {"cores": 64, "memory": "1000G", "gpus": 4, "gpu_memory": "81920M",
                     "gpu_type": "a100_80gb"},
                ],
                "time": "2-00:00:00",
            },
        ),
        ("entry", {"cores": 64, "memory": "128G", "gpus": 0}),
    ],
)  # fmt: skip
def test_pbss_queues(queue: str, expected: dict[str, Any], keys_of: Keys) -> None:
    assert keys_of("pbs")["partitions"][queue] == expected


def test_pbss_queues_and_names(keys_of: Keys, made: Made) -> None:
    site = keys_of("pbs")

    assert site["schedulers"] == {"pbs": {"names": {"gpu_type": "accelerator_model"}}}
    assert site["partitions"]["gpu_em"]["takes"] == {"groups": ["cryoem"]}
    assert site["job_parameters"]["gpu"]["partitions"] == ["gpu_em", "gpu"]
    assert site["job_parameters"]["submit"]["partitions"] == ["entry", "work"]
    assert "from other queues alone" in comments(made("pbs"), "inner")
    assert "does not start jobs" in comments(made("pbs"), "off")
    assert any("job_history_enable" in note for note in made("pbs").content["__comment__"])


@pytest.mark.parametrize("odd", ["null", "3", '"x"', "[]"])
def test_pbss_answers_with_odd_values_are_read_as_far_as_possible(odd: str) -> None:
    nodes, queues = (json.loads(PBS[words]) for words in (ASKED_NODES, ASKED_QUEUES))
    nodes["nodes"]["n1"]["resources_available"] = nodes["nodes"]["n2"] = json.loads(odd)
    queues["Queue"]["gpu"]["resources_max"] = json.loads(odd)
    changed = {ASKED_NODES: json.dumps(nodes), ASKED_QUEUES: json.dumps(queues)}

    told = surveyed("pbs", {**PBS, **changed})

    assert told and [each.seconds for each in told.partitions if each.name == "gpu"] == [None]


def test_pbss_limits_of_queues_and_the_server_count() -> None:
    queues, server = json.loads(PBS[ASKED_QUEUES]), json.loads(PBS[ASKED_SERVER])
    queues["Queue"]["gpu"] |= {"resources_max": {"ngpus": 2}}
    queues["Queue"]["gpu"] |= {"resources_default": {"walltime": "01:00:00"}}
    server["Server"]["pbs01"]["resources_max"] = {"walltime": "240:00:00"}
    changed = {ASKED_QUEUES: json.dumps(queues), ASKED_SERVER: json.dumps(server)}

    found = site_of("pbs", {**PBS, **changed}).content["partitions"]

    assert (found["gpu"]["gpus_per_job"], found["gpu"]["time"]) == (2, "10-00:00:00")
    assert "gpus_per_job" not in found["gpu_em"]
    del server["Server"]["pbs01"]["resources_max"]
    changed[ASKED_SERVER] = json.dumps(server)
    endless = site_of("pbs", {**PBS, **changed}).content["partitions"]
    assert endless["gpu"]["time"] == "7-00:00:00"


def test_pbss_queues_of_reservations_are_left_out(keys_of: Keys) -> None:
    assert "R4711" not in keys_of("pbs")["partitions"]


@pytest.mark.parametrize("state", ["state-unknown", "state-unknown,down", "offline", "stale"])
def test_pbss_nodes_of_an_unknown_state_do_not_count(state: str) -> None:
    nodes = json.loads(PBS[ASKED_NODES])
    nodes["nodes"]["g2"] |= {"state": state, "resources_available": {"Qlist": "gpu", "ngpus": 1}}

    told = surveyed("pbs", {**PBS, ASKED_NODES: json.dumps(nodes)})

    assert (
        told
        and [
            node.works for each in told.partitions for node in each.nodes if node.name == "g2"
        ].count(True)
        == 0
    )


# LSF


@pytest.mark.parametrize(
    ("queue", "expected"),
    [
        ("normal", {"cores": 32, "memory": "257536M", "gpus": 0}),
        (
            "gpu",
            {
                "nodes": [
                    {"cores": 48, "memory": "385228M", "gpus": 3, "gpu_memory": "32510M",
                     "gpu_type": "TeslaV100_SXM2_32GB"},
                    {"cores": 96, "memory": "1024G", "gpus": 2, "gpu_memory": "81920M",
                     "gpu_type": "NVIDIAA100_SXM4_80GB"},
                ],
                "time": "2-00:00:00",
            },
        ),
        ("lab", {"cores": 96, "memory": "1024G", "gpus": 2, "gpu_memory": "81920M"}),
    ],
)  # fmt: skip
def test_lsfs_queues(queue: str, expected: dict[str, Any], keys_of: Keys) -> None:
    assert keys_of("lsf")["partitions"][queue] == expected


def test_lsfs_queues_of_some_users_are_left_to_people(keys_of: Keys, made: Made) -> None:
    assert "for these users alone: lab_users/ ada." in comments(made("lsf"), "lab")
    assert "It is closed".lower() in comments(made("lsf"), "old").lower()
    assert keys_of("lsf")["job_parameters"]["gpu"]["partitions"] == ["gpu"]
    assert keys_of("lsf")["job_parameters"]["submit"]["partitions"] == ["normal"]
    assert any("memory limits in GB" in note for note in made("lsf").content["__comment__"])


def test_lsfs_queues_of_all_users_with_limits_in_one_line_are_read() -> None:
    limits = (
        "MAXIMUM LIMITS:\n CPULIMIT             RUNLIMIT\n 100.0 min of n1      60.0 min of n1\n"
    )
    queues = LSF["bqueues -l"].replace("USERS: all\n", "USERS:  all users\n")
    queues = queues.replace("\nSCHEDULING PARAMETERS", f"{limits}\nSCHEDULING PARAMETERS", 1)

    told = surveyed("lsf", {**LSF, "bqueues -l": queues})

    assert told
    (normal,) = (each for each in told.partitions if each.name == "normal")
    assert (normal.seconds, normal.not_by_itself) == (3600, "")


def test_an_lsf_queue_that_gives_way_to_others_comes_last() -> None:
    queues = LSF["bqueues -l"].replace(
        "USERS: all", "SCHEDULING POLICIES:  PREEMPTABLE\nUSERS: all"
    )

    told = surveyed("lsf", {**LSF, "bqueues -l": queues})

    assert told and [each.name for each in told.partitions if not each.gives_way] == ["lab"]
