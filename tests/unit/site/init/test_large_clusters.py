"""What `site init` makes of large clusters, by what the schedulers' commands print; Slurm's
are in test_slurm_clusters.py."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .clusters import EACH, GRID_ENGINE, LSF, PBS
from .conftest import TEXTS, Keys, Made, comments, site_of, surveyed

ASKED_NODES, ASKED_QUEUES = "pbsnodes -a -v -F json", "qstat -Q -f -F json"
ASKED_SERVER = "qstat -B -f -F json"


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
