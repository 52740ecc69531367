"""Every layout of ranks that is offered keeps RELION's rules, and none that would is left out."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.ranks.devices import gpu_devices
from dispatcher.ranks.layouts import Layout, RankRules, WantedRanks, layouts, least_per_gpu
from dispatcher.relion.programs import lookup

HALVES = RankRules(split_halves=True)
SIZES = {
    "wanted": st.integers(2, 40),
    "nodes": st.integers(1, 4),
    "gpus": st.integers(1, 8),
    "cap": st.none() | st.integers(1, 6),
    "idle_leader": st.booleans(),
    "split_halves": st.booleans(),
}


def test_four_gpus_from_the_fullest_layout_to_the_least() -> None:
    offered = list(layouts(WantedRanks(9, ngpu=4), HALVES))

    assert offered[:2] == [Layout(9, 1, 4, 2), Layout(5, 1, 4, 1)]
    assert Layout(7, 1, 3, 2) in offered
    assert Layout(4, 1, 3, 1) not in offered  # an even number of ranks
    assert offered[-1] == Layout(3, 1, 1, 2)


def test_two_nodes_come_before_one() -> None:
    offered = list(layouts(WantedRanks(9, ngpu=4, nodes=2), RankRules()))

    assert offered[0] == Layout(9, 2, 4, 1)
    assert offered[0].on_fullest_node == 5  # the leader and four followers
    assert offered[-1] == Layout(2, 1, 1, 1)


def test_ranks_on_cpus() -> None:
    assert list(layouts(WantedRanks(6), HALVES)) == [Layout(5, 1, 0, 0), Layout(3, 1, 0, 0)]
    assert [layout.nproc for layout in layouts(WantedRanks(3), RankRules())] == [3, 2]
    assert [layout.nproc for layout in layouts(WantedRanks(3), RankRules(idle_leader=False))] == [
        3,
        2,
        1,
    ]


@given(**SIZES)
def test_rules_are_kept(
    wanted: int, nodes: int, gpus: int, cap: int | None, idle_leader: bool, split_halves: bool
) -> None:
    rules = RankRules(idle_leader=idle_leader, split_halves=split_halves)
    for layout in layouts(WantedRanks(wanted, 1, gpus, nodes, cap), rules):
        followers = layout.nproc - idle_leader
        assert followers == layout.nodes * layout.gpus * layout.ranks_per_gpu >= 1
        assert layout.nproc <= wanted and layout.nodes <= nodes and layout.gpus <= gpus
        assert cap is None or layout.ranks_per_gpu <= cap
        assert not split_halves or followers % 2 == 0


@given(**SIZES)
def test_the_first_layout_is_the_fullest_on_all_gpus_that_can_be_used(
    wanted: int, nodes: int, gpus: int, cap: int | None, idle_leader: bool, split_halves: bool
) -> None:
    allowed = [
        (over, used, each)
        for over, used, each in product(
            range(1, nodes + 1), range(1, gpus + 1), range(1, wanted + 1)
        )
        if over * used * each + idle_leader <= wanted
        and (cap is None or each <= cap)
        and (not split_halves or over * used * each % 2 == 0)
    ]
    rules = RankRules(idle_leader=idle_leader, split_halves=split_halves)
    offered = layouts(WantedRanks(wanted, 1, gpus, nodes, cap), rules)
    first = next(offered, None)

    assert (first and (first.nodes, first.gpus, first.ranks_per_gpu)) == max(allowed, default=None)


@pytest.mark.parametrize(
    ("nodes", "gpus", "halves", "least"),
    [(1, 1, True, 2), (1, 1, False, 1), (2, 1, True, 1), (1, 2, True, 1)],
)
def test_one_gpu_alone_holds_both_halves(nodes: int, gpus: int, halves: bool, least: int) -> None:
    wanted = WantedRanks(9, ngpu=gpus, nodes=nodes)
    assert least_per_gpu(wanted, RankRules(split_halves=halves)) == least


@given(
    wanted=st.integers(2, 40),
    nodes=st.integers(1, 3),
    gpus=st.integers(1, 8),
    program=st.sampled_from(["relion_refine", "relion_autopick", "relion_align_tiltseries"]),
)
def test_each_gpu_of_each_node_gets_the_same_number_of_ranks_and_no_rank_two_gpus(
    wanted: int, nodes: int, gpus: int, program: str
) -> None:
    """RELION's own rule for the text: a group for each follower, or for each rank where none is
    idle, fewer groups repeated from the first; ranks are placed block by block, the leader first.
    """
    takes = lookup(program)
    rules = RankRules(idle_leader=takes.idle_leader)
    for layout in layouts(WantedRanks(wanted, ngpu=gpus, nodes=nodes), rules):
        if layout.nproc < 2:
            continue
        groups = gpu_devices(takes, layout.nproc, layout.gpus).split(":")
        assert all("," not in group for group in groups)
        assert takes.gpu_groups != "each rank" or len(groups) == layout.nproc
        working = layout.nproc - takes.idle_leader
        on_node = layout.gpus * layout.ranks_per_gpu
        devices = [int(groups[rank % len(groups)]) for rank in range(working)]
        for node in range(layout.nodes):
            here = devices[node * on_node : (node + 1) * on_node]
            assert sorted(here) == sorted(list(range(layout.gpus)) * layout.ranks_per_gpu)
