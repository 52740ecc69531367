"""What stands in the way of more ranks is just that: no more, no less."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

import pytest

from dispatcher.errors import DispatchError
from dispatcher.memory.card import Card
from dispatcher.memory.host_memory import Node
from dispatcher.ranks.layouts import RankRules, WantedRanks
from dispatcher.ranks.more_ranks import Limit
from dispatcher.ranks.rank_fit import RankFit, fit_ranks

from .fitted import REFINE, card_for, refine

GIB = 1 << 30


class Case(NamedTuple):
    """What goes into a fit."""

    wanted: WantedRanks
    rules: RankRules
    card: Card
    node: Node

    def fit(self) -> RankFit:
        return fit_ranks(*self)

    def without(self, limits: Iterable[Limit], ranks: int) -> Case:
        """The same with as much as `ranks` ranks need of what these limits are about."""
        needs = {limit.bound: limit.needs for limit in limits}
        wanted, card, node = self.wanted, self.card, self.node
        most = needs.get("ranks", ranks if wanted.ranks_open else wanted.nproc)
        return self._replace(
            wanted=wanted._replace(
                nproc=most,
                ranks_per_gpu=needs.get("ranks_per_gpu", wanted.ranks_per_gpu),
                through_mps=needs.get("mps", wanted.through_mps),
            ),
            card=card._replace(gpu_bytes=needs.get("gpu_memory", card.gpu_bytes)),
            node=node._replace(
                memory=needs.get("host_memory", node.memory), cores=needs.get("cores", node.cores)
            ),
        )


def cases() -> Iterator[Case]:
    """Some hundred of all combinations, the same each time."""
    every = itertools.product(
        (128, 360, 600), (1, 2, 4, 8), (11, 24, 80, None), (64, 190, 1000, None), (16, 64, None),
        (1, 3, None), (3, 5, 13, 21), (True, False), (True, False), (True, False), (1, 2),
        (16, None),
    )  # fmt: skip
    for (
        box,
        gpus,
        size,
        memory,
        cores,
        cap,
        most,
        halves,
        open_threads,
        chosen,
        nodes,
        mps,
    ) in random.Random(7).sample(list(every), 1500):
        refinement = replace(REFINE, box=box, auto_refine=halves)
        each = min(filter(None, (cap, mps)), default=1)
        wanted = WantedRanks(
            most if chosen else max(3, nodes * gpus * each + 1),
            16 if open_threads else 4,
            gpus,
            nodes,
            ranks_per_gpu=cap,
            through_mps=mps,
            threads_open=open_threads,
            ranks_open=not chosen,
        )
        yield Case(
            wanted,
            RankRules(split_halves=halves),
            Card(size and size * GIB, refinement, mps=bool(mps)),
            Node(memory and memory * GIB, refinement, cores=cores, gpus=gpus, threads=16),
        )


def test_with_what_is_named_and_not_with_less_the_job_has_these_ranks() -> None:
    looked_at = 0
    for case in cases():
        try:
            more = case.fit().more
        except DispatchError:
            continue
        if more is None:
            continue
        looked_at += 1
        assert more.in_the_way, case
        assert case.without(more.in_the_way, more.nproc).fit().nproc == more.nproc, case
        for limit in more.in_the_way:
            others = [each for each in more.in_the_way if each is not limit]
            if limit.bound == "ranks_per_gpu" and case.wanted.most_per_gpu is None:
                continue  # no cap that keeps ranks away, but none that lets more be asked for
            assert case.without(others, more.nproc).fit().nproc < more.nproc, (case, limit)
    assert looked_at > 1000


def bounds(fit: RankFit) -> list[str]:
    assert fit.more
    return [limit.bound for limit in fit.more.in_the_way]


def test_the_next_step_is_one_more_on_each_gpu() -> None:
    fit = refine(gpu_bytes=card_for(2))

    assert fit.more
    assert (fit.nproc, fit.more.nproc, fit.more.ranks_per_gpu) == (9, 13, 3)
    (limit,) = fit.more.in_the_way
    assert (limit.bound, limit.has) == ("gpu_memory", card_for(2))
    assert refine(gpu_bytes=limit.needs).nproc == 13
    assert refine(gpu_bytes=limit.needs - (1 << 20)).nproc == 9
    assert limit.says.startswith("3 ranks on a GPU need a card of ")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"nproc": 9, "gpu_bytes": None}, ["ranks"]),
        ({"ranks_per_gpu": 2, "gpu_bytes": None}, ["ranks_per_gpu"]),
        ({"through_mps": 2, "gpu_bytes": None}, ["mps"]),
        ({"nproc": 9, "ranks_per_gpu": 2, "gpu_bytes": card_for(2)},
         ["ranks", "ranks_per_gpu", "gpu_memory"]),
        ({"gpu_bytes": None, "node": Node(cores=10)}, ["cores"]),
        ({"gpu_bytes": None, "node": Node(60 * GIB, REFINE)}, ["host_memory"]),
    ],
)  # fmt: skip
def test_all_that_is_in_the_way_is_named(changes: dict[str, object], expected: list[str]) -> None:
    assert bounds(refine(**changes)) == expected  # type: ignore[arg-type]


def test_ranks_on_cpus_are_bounded_by_what_the_job_may_have_or_by_the_cores() -> None:
    rules, card = RankRules(split_halves=True), Card(None, None)

    assert bounds(fit_ranks(WantedRanks(5, 4), rules, card, Node())) == ["ranks"]
    fit = fit_ranks(WantedRanks(5, 4, ranks_open=True), rules, card, Node(cores=20))
    assert fit.more
    (limit,) = fit.more.in_the_way
    assert limit.says == "a node has cores for 5 ranks"


def test_a_program_without_ranks_has_no_next_step() -> None:
    single = fit_ranks(WantedRanks(1, 4, 1), RankRules(mpi=False), Card(None, None))

    assert single.more is None


def test_memory_of_a_rank_that_only_the_job_type_knows_is_named() -> None:
    wanted = WantedRanks(16, 1, mem_per_rank=12 * GIB, ranks_open=True)
    fit = fit_ranks(
        wanted, RankRules(idle_leader=False), Card(None, None), Node(64 * GIB, cores=16)
    )

    assert fit.more
    assert (fit.nproc, fit.more.nproc) == (5, 6)
    (limit,) = fit.more.in_the_way
    assert limit.says == (
        "6 ranks need 72.0 GiB of host memory, 12.0 GiB for each (mem_per_rank), and a node has "
        "64.0 GiB"
    )
