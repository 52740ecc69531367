"""Ranks of programs whose memory is not computed, on a machine that no scheduler divides."""

from __future__ import annotations

import pytest

from dispatcher.memory.host_memory import Node
from dispatcher.ranks.layouts import RankRules, WantedRanks
from dispatcher.ranks.type_memory import ranks_in_type_memory

G = 1 << 30
EACH_RANK = RankRules(idle_leader=False)  # motion correction, picking
CLASSES, HALVES = RankRules(), RankRules(split_halves=True)


def ranks(
    wanted: WantedRanks, rules: RankRules, memory: float, *, here: bool = True
) -> tuple[int, str]:
    return ranks_in_type_memory(wanted, rules, Node(int(memory * G), is_this_machine=here))


@pytest.mark.parametrize("shown", [64, 62.7, 62, 60.1])
def test_a_machine_that_shows_a_little_less_than_it_was_sold_with_is_large_enough(
    shown: float,
) -> None:
    for wanted in (WantedRanks(4, ngpu=4, mem="64G"), WantedRanks(8, ngpu=4, mem="64G")):
        assert ranks(wanted, EACH_RANK, shown) == (wanted.nproc, "")


@pytest.mark.parametrize(
    ("nproc", "gpus", "mem", "rules", "memory", "number"),
    [
        (8, 4, "64G", EACH_RANK, 48, 4),  # six would leave GPUs with one rank and with two
        (8, 4, "64G", EACH_RANK, 8, 4),  # a rank for each GPU
        (4, 4, "64G", EACH_RANK, 8, 4),
        (4, 4, "64G", EACH_RANK, 48, 4),
        (8, 1, "64G", EACH_RANK, 20, 2),
        (8, 0, "120G", EACH_RANK, 32, 2),
        (8, 0, "120G", EACH_RANK, 8, 1),
        (8, 0, "120GiB", EACH_RANK, 62, 4),
        (13, 4, "120G", CLASSES, 8, 5),
        (13, 1, "120G", CLASSES, 8, 1),
        (13, 0, "120G", CLASSES, 8, 1),
        (13, 0, "120G", CLASSES, 24, 2),
        (9, 0, "120G", HALVES, 24, 3),
        (9, 0, "120G", HALVES, 8, 3),
        (9, 0, "120G", HALVES, 56, 3),  # four is none that RELION takes
        (9, 0, "120G", HALVES, 64, 5),
        (9, 1, "120G", HALVES, 8, 3),
        (9, 2, "120G", HALVES, 8, 3),
        (9, 3, "120G", HALVES, 8, 7),
        (9, 4, "120G", HALVES, 8, 5),
    ],
)
def test_ranks_share_the_memory_of_their_type_down_to_what_relion_and_the_gpus_need(
    nproc: int, gpus: int, mem: str, rules: RankRules, memory: float, number: int
) -> None:
    assert ranks(WantedRanks(nproc, ngpu=gpus, mem=mem), rules, memory)[0] == number


def test_both_sizes_are_told_in_the_unit_of_the_job_type() -> None:
    wanted = WantedRanks(8, ngpu=2, mem="64GiB")

    assert ranks(wanted, EACH_RANK, 32.53) == (
        4,
        "4 ranks instead of 8: the job type has 64GiB of memory for 8 ranks, and this machine has "
        "32.5GiB.",
    )


def test_memory_that_may_be_short_is_told() -> None:
    gpus = ranks(WantedRanks(4, ngpu=4, mem="64G"), EACH_RANK, 32)[1]
    halves = ranks(WantedRanks(9, mem="120G"), HALVES, 24)[1]

    assert gpus == (
        "4 ranks, the fewest that use all GPUs: the job type has 64G of memory for 4 ranks, and "
        "this machine has 32G, so the job may run out of memory."
    )
    assert halves == (
        "3 ranks instead of 9, the fewest that RELION can run with: the job type has 120G of "
        "memory for 9 ranks, and this machine has 24G, so the job may run out of memory."
    )


@pytest.mark.parametrize("mem", [None, "0", "0G", "120000", "all"])
def test_a_type_that_names_no_size_sets_no_limit(mem: str | None) -> None:
    assert ranks(WantedRanks(8, mem=mem), EACH_RANK, 1) == (8, "")


def test_other_machines_and_single_processes_are_left_alone() -> None:
    assert ranks(WantedRanks(8, mem="64G"), EACH_RANK, 1, here=False) == (8, "")
    assert ranks(WantedRanks(1, mem="64G"), EACH_RANK, 1) == (1, "")
    assert ranks(WantedRanks(8, mem="64G"), RankRules(mpi=False), 1) == (8, "")
