"""Where a job type names the devices, the ranks that really share each GPU are counted.

No GPU: what RELION does with ``--gpu`` is followed here as its source has it (args.cpp:431,
ml_optimiser_mpi.cpp:228-392, 5.0.1), rank by rank and thread by thread.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from pathlib import Path

import pytest

from dispatcher.errors import ConfigError, DoesNotFit
from dispatcher.memory.card import Card
from dispatcher.memory.host_memory import Node
from dispatcher.memory.refinement import Refinement
from dispatcher.memory.sampling import Search
from dispatcher.planning.node_table import node_table
from dispatcher.ranks.layouts import RankRules, WantedRanks
from dispatcher.ranks.named_devices import named, sharing
from dispatcher.ranks.rank_fit import fit_ranks

from ...fixture_types import CorpusJob, WriteSite
from .planned import REFINE, plan

GIB = 2**30
Users = dict[tuple[int, int], dict[int, int]]  # by node and device: threads by rank


def relion_maps(text: str, nproc: int, nodes: int, threads: int) -> Users:
    """Which ranks use which device of which node with how many threads, by RELION's loops."""
    groups = [group.split(",") for group in text.split(":")]
    users: Users = defaultdict(lambda: defaultdict(int))
    for rank in range(1, nproc):
        devices = groups[rank - 1] if rank <= len(groups) else groups[(rank - 1) % len(groups)]
        node = (rank - 1) // -(-(nproc - 1) // nodes)
        for thread in range(threads):
            explicit = len(devices) == threads
            device = devices[thread] if explicit else devices[thread % len(devices)]
            users[node, int(device)][rank] += 1
    return users


def random_text(random_: random.Random) -> str:
    groups = random_.randint(1, 5)
    return ":".join(
        ",".join(str(random_.randint(0, 3)) for _ in range(random_.randint(1, 4)))
        for _ in range(groups)
    )


def test_sharing_is_as_relion_maps_threads_to_devices() -> None:
    random_ = random.Random(1)
    for _ in range(2000):
        text, threads = random_text(random_), random_.randint(1, 8)
        nodes = random_.randint(1, 3)
        nproc = 1 + nodes * random_.randint(1, 6)
        users = relion_maps(text, nproc, nodes, threads)

        found = sharing(named(text), nproc, nodes, threads)

        numbers = [number for ranks in users.values() for number in ranks.values()]
        assert found.ranks == max(len(ranks) for ranks in users.values()), text
        assert found.gpus == len({device for _, device in users}), text
        assert (found.threads, found.fewest_threads) == (max(numbers), min(numbers)), text


@pytest.mark.parametrize("text", ["", ":", "0:", ":0", "0,,1", "a", "0:b", "-1"])
def test_devices_that_relion_chooses_itself_are_not_counted(text: str) -> None:
    assert named(text) == ()


def test_no_plan_on_named_devices_overflows_a_gpu_by_the_worst_order_of_ranks() -> None:
    random_ = random.Random(2)
    planned = shared = would = 0
    for _ in range(3000):
        text, mps, halves = random_text(random_), random_.random() < 0.5, random_.random() < 0.7
        one = Refinement(random_.randrange(64, 640, 8), "", auto_refine=halves)
        gpu_bytes = random_.choice((16, 24, 48, 80, 141)) * GIB
        nodes = random_.choice((1, 1, 2))
        wanted = WantedRanks(
            random_.randint(3, 17), random_.randint(1, 8), 4, nodes, random_.choice((None, 3)),
            devices=named(text),
        )  # fmt: skip
        card = Card(gpu_bytes, one, mps=mps)
        node = Node(cores=random_.choice((None, 8, 64)))
        try:
            fit = fit_ranks(wanted, RankRules(split_halves=halves), card, node)
        except DoesNotFit:
            continue
        planned += 1
        users = relion_maps(text, fit.nproc, fit.nodes, fit.nthread)
        fullest = max(len(ranks) for ranks in users.values())
        assert fit.ranks_per_gpu == fullest, text
        assert not halves or fit.nproc % 2, text
        assert fit.nproc <= wanted.nproc
        assert wanted.ranks_per_gpu is None or fullest <= max(3, fit.least), text
        side = 2 * (2 * (one.box // 2) + 1) + 1
        fixed = 20 * side * side * (side // 2 + 1)
        free = (fit.free_gpu_memory or 0) * 1_000_000
        for ranks in users.values():
            held = sum(200_000_000 * threads + free for threads in ranks.values())
            at_worst = 0.5 * fixed * (len(ranks) - 1)
            assert at_worst <= held, (text, fit)
            assert len(ranks) < 2 or not mps or free >= 1_000_000_000
            would += at_worst > held - len(ranks) * free
        shared += fullest > 1
        enough = fullest * fit.bytes_per_rank <= 0.97 * gpu_bytes
        assert enough or (fullest == fit.least and fit.nthread == 1), (text, fit)
    assert planned > 1500
    assert shared > 800
    assert would > 100  # GPUs that would overflow if nothing were left free


@pytest.mark.parametrize(
    ("devices", "nproc", "each", "threads", "gpus"),
    [
        ("0", 3, 2, 4, 1),  # two of 8 followers fit beside each other
        ("0:1", 5, 2, 4, 2),
        ("0:1:2:3", 9, 2, 4, 4),
        ("0:0:1:1", 5, 2, 4, 2),
        ("0,1:2,3", 5, 2, 2, 4),  # a rank holds all that it allocates on each of its devices
        ("0,1,2,3", 3, 2, 1, 4),
    ],
)
def test_a_repeated_group_and_a_list_of_devices_fill_gpus_with_more_ranks(
    devices: str, nproc: int, each: int, threads: int, gpus: int
) -> None:
    search = Search(4608, 36_864, 21)
    one = Refinement(512, "particles.star", auto_refine=True, search=search)
    card = Card(48 * GIB, one, mps=True)
    wanted = WantedRanks(9, 4, ngpu=4, devices=named(devices))

    fit = fit_ranks(wanted, RankRules(split_halves=True), card)

    assert (fit.nproc, fit.ranks_per_gpu, fit.ngpu) == (nproc, each, gpus)
    assert fit.bytes_per_rank == card.bytes_per_rank(threads, each)
    assert fit.free_gpu_memory == card.left_free(threads, each)
    assert f"{nproc - 1} followers + 1 leader = {nproc} ranks, of at most 9, on " in fit.reasons[-1]
    assert f"that the job type names ({devices}), up to 2 followers on each." in fit.reasons[-1]


def test_a_cap_of_ranks_on_a_gpu_holds_on_named_devices() -> None:
    wanted = WantedRanks(9, 4, ngpu=4, ranks_per_gpu=3, devices=named("0:1"))
    fit = fit_ranks(wanted, RankRules(split_halves=True), Card(None, None))

    assert (fit.nproc, fit.ranks_per_gpu) == (7, 3)
    assert "At most 3 ranks may share a GPU, not 4 (ranks_per_gpu)." in fit.reasons


def test_half_sets_that_named_devices_put_on_one_gpu_have_to_share_it() -> None:
    wanted = WantedRanks(9, 4, ngpu=4, devices=named("2"))
    one = Refinement(512, "particles.star", auto_refine=True)
    with pytest.raises(DoesNotFit, match="At least 2 followers are needed"):
        fit_ranks(wanted, RankRules(split_halves=True), Card(24 * GIB, one))
    with pytest.raises(ConfigError):
        fit_ranks(wanted._replace(nproc=2), RankRules(split_halves=True), Card(24 * GIB, one))


def test_a_single_process_has_the_first_group_alone() -> None:
    wanted = WantedRanks(1, 16, ngpu=2, devices=named("0,1,2:3"))
    one = Refinement(256, "particles.star", classes=4, gradient=True)
    card = Card(24 * GIB, one)

    fit = fit_ranks(wanted, RankRules(mpi=False), card)

    assert (fit.nproc, fit.ngpu, fit.ranks_per_gpu, fit.free_gpu_memory) == (1, 3, 1, None)
    assert fit.bytes_per_rank == card.bytes_per_rank(6, 1)
    assert fit.reasons[-1] == (
        "One process without MPI, 16 threads on 3 GPUs that the job type names (0,1,2)."
    )


@pytest.mark.parametrize(
    ("devices", "found"),
    [
        ("0:1", ["9 4", "7 3", "5 2", "3 1"]),
        ("0:1:2:3", ["9 2", "5 1"]),
        ("0:0:1:1", ["9 4", "5 2"]),
        ("0,1:0,1", ["9 8", "7 6", "5 4", "3 2"]),
    ],
)
def test_on_smaller_cards_fewer_ranks_share_the_named_devices(
    devices: str, found: list[str], site: WriteSite, images: Path, corpus_job: CorpusJob
) -> None:
    shipped = Path(__file__).parents[3] / "config" / "dispatch_config.json"
    types = json.loads(shipped.read_text())
    types["gpu"]["relion_add_parameter"] = {"gpu": devices}
    site("dispatch_config.json", json.dumps(types))
    site(
        "site.json",
        {
            "partitions": {"big": {"gpus": 4, "gpu_memory": "141G"}},
            "job_parameters": {"gpu": {"partition": "big", "nproc": 9, "ranks_per_gpu": 8}},
        },
    )

    planned = plan(corpus_job(REFINE))
    (line,) = node_table(planned)

    assert planned.commands[0].command.value("gpu") == devices
    rows = [row.split() for row in line.partition(" ")[2].split(" | ")[0].split("; ")]
    fitting = [row[-5:] for row in rows if row[-2] == "ok"]
    assert [f"{ranks} {each}" for ranks, each, *_ in fitting] == found
    each = planned.gpu_fit.bytes_per_rank or 0
    assert all(int(taken) == int(ranks) * each for _, ranks, taken, *_ in fitting)


@pytest.mark.parametrize(("devices", "asked"), [("2:3", 4), ("0:1", 2), ("3", 4), ("0:1:2:3", 4)])
def test_the_scheduler_is_asked_for_all_gpus_up_to_the_last_that_is_named(
    devices: str, asked: int, site: WriteSite, images: Path, corpus_job: CorpusJob
) -> None:
    shipped = Path(__file__).parents[3] / "config" / "dispatch_config.json"
    types = json.loads(shipped.read_text())
    types["gpu"]["relion_add_parameter"] = {"gpu": devices}
    site("dispatch_config.json", json.dumps(types))
    big = {"gpus": 4, "gpu_memory": "141G"}
    parameters = {"gpu": {"partition": "big"}}
    site("site.json", {"partitions": {"big": big}, "job_parameters": parameters})

    planned = plan(corpus_job(REFINE))
    (line,) = node_table(planned)

    assert planned.ngpu == asked
    assert line.split()[0] == str(asked)
