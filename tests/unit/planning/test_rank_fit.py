"""Ranks are fitted to GPU memory and to RELION's rules, and say why."""

import math
from dataclasses import replace
from typing import TypeVar

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dispatcher.errors import ConfigError, DoesNotFit
from dispatcher.memory import gpu_memory
from dispatcher.memory.card import Card, MemoryModel
from dispatcher.memory.host_memory import Node, host_memory
from dispatcher.memory.refinement import Refinement
from dispatcher.memory.sampling import Search
from dispatcher.planning.layouts import RankRules, WantedRanks, layouts, least_per_gpu
from dispatcher.planning.rank_fit import RankFit, fit

GPU = 32_212_254_720  # bytes; 30 GiB, the card of the established FMI format's examples
REFINE = Refinement(box=256, source="particles.star, optics group 1", auto_refine=True)


ANY_NODE = Node()
V = TypeVar("V", WantedRanks, RankRules, Card, Node)


def refine(box: int = 256, *, node: Node = ANY_NODE, **changes: object) -> RankFit:
    """A Refine3D on four GPUs of 30 GiB; ``changes`` are fields of what goes into a fit."""

    def changed(value: V) -> V:
        return value._replace(**{n: changes.pop(n) for n in value._fields if n in changes})

    wanted = changed(WantedRanks(21, 4, ngpu=4))
    rules = changed(RankRules(split_halves=True))
    card = changed(Card(GPU, replace(REFINE, box=box)))
    node = changed(node)
    assert not changes
    return fit(wanted, rules, card, node)


def card_for(followers: float, refinement: Refinement = REFINE, threads: int = 4) -> int:
    """Bytes of a card that holds this many followers of ``refinement``."""
    return math.ceil(followers * gpu_memory.bytes_per_rank(refinement, threads) / 0.97) + 1


def least_card_for(followers: float, refinement: Refinement = REFINE) -> int:
    """Bytes of the smallest card on which this many followers may run at all."""
    return math.ceil(followers * gpu_memory.least_bytes_per_rank(refinement) / 0.97) + 1


@pytest.mark.parametrize(
    ("followers_that_fit", "nproc", "each"),
    [(9, 21, 5), (5, 21, 5), (4.9, 17, 4), (3.5, 13, 3), (2.1, 9, 2), (1.9, 5, 1), (1, 5, 1)],
)
def test_four_gpus_lose_one_follower_each_at_a_time(
    followers_that_fit: float, nproc: int, each: int
) -> None:
    ranks = refine(gpu_bytes=card_for(followers_that_fit))
    assert (ranks.nproc, ranks.ranks_per_gpu, ranks.ngpu, ranks.nthread) == (nproc, each, 4, 4)


@pytest.mark.parametrize(
    ("box", "nproc"), [(128, 21), (256, 21), (400, 17), (440, 13), (512, 9), (640, 5), (700, 5)]
)
def test_classic_cards_by_box_size(box: int, nproc: int) -> None:
    assert refine(box).nproc == nproc


def test_box_for_which_the_card_is_too_small_is_refused() -> None:
    with pytest.raises(DoesNotFit, match="This refinement does not fit on the GPU"):
        refine(720)  # 1.05 x 20V = 31.6 GB of 31.2 usable


@pytest.mark.parametrize(
    ("box", "nproc"), [(256, 21), (320, 21), (360, 17), (400, 9), (480, 5), (512, 5), (800, 5)]
)
def test_historic_model_never_goes_below_one_follower_per_gpu(box: int, nproc: int) -> None:
    ranks = refine(box, memory_model="fmi")
    assert ranks.nproc == nproc
    assert ranks.bytes_per_rank == 84 * box**3 * 2
    assert ranks.model == "fmi"


@pytest.mark.parametrize(
    ("wanted", "nproc", "ngpu"),
    [(21, 21, 4), (20, 17, 4), (18, 17, 4), (6, 5, 4), (5, 5, 4), (4, 3, 2), (3, 3, 2)],
)
def test_what_is_wanted_is_never_exceeded(wanted: int, nproc: int, ngpu: int) -> None:
    ranks = refine(128, nproc=wanted)
    assert (ranks.nproc, ranks.ngpu) == (nproc, ngpu)


@pytest.mark.parametrize(
    ("ngpu", "fits", "wanted", "expected"),
    [
        (1, 2, 21, (3, 1, 2)),
        (1, 3, 21, (3, 1, 2)),
        (1, 4, 4, (3, 1, 2)),
        (1, 4, 21, (5, 1, 4)),
        (3, 1, 21, (3, 2, 1)),
        (3, 2, 21, (7, 3, 2)),
        (3, 3, 21, (7, 3, 2)),
        (3, 4, 21, (13, 3, 4)),
        (3, 2, 5, (5, 2, 2)),
        (3, 1, 4, (3, 2, 1)),
        (5, 1, 21, (5, 4, 1)),
        (2, 1, 21, (3, 2, 1)),
        (2, 3, 21, (7, 2, 3)),
    ],
)
def test_split_halves_need_an_odd_number_of_ranks(
    ngpu: int, fits: int, wanted: int, expected: tuple[int, int, int]
) -> None:
    ranks = refine(nproc=wanted, ngpu=ngpu, gpu_bytes=card_for(fits))
    assert (ranks.nproc, ranks.ngpu, ranks.ranks_per_gpu) == expected


def test_the_same_job_without_split_halves_may_have_an_even_number() -> None:
    ranks = refine(ngpu=3, gpu_bytes=card_for(1), split_halves=False)
    assert (ranks.nproc, ranks.ngpu) == (4, 3)
    ranks = refine(ngpu=1, gpu_bytes=card_for(1), split_halves=False)
    assert (ranks.nproc, ranks.ngpu) == (2, 1)


def test_one_gpu_must_hold_both_halves() -> None:
    with pytest.raises(
        DoesNotFit, match="At least 2 followers are needed, and they do not fit on the GPU"
    ):
        refine(ngpu=1, gpu_bytes=least_card_for(1.9))
    ranks = refine(ngpu=1, gpu_bytes=least_card_for(1.9), memory_model="fmi")
    assert (ranks.nproc, ranks.ranks_per_gpu) == (3, 2)
    ranks = refine(800, ngpu=1, memory_model="fmi")
    assert (ranks.nproc, ranks.ranks_per_gpu) == (3, 2)
    assert "none fits into 32.2 GB, but this model never plans fewer than 2." in ranks.reasons[0]


def test_programs_without_an_idle_leader_have_as_many_ranks_as_followers() -> None:
    rules, card = RankRules(idle_leader=False), Card(None, None)
    ranks = fit(WantedRanks(21, ngpu=4), rules, card)
    assert (ranks.nproc, ranks.ranks_per_gpu, ranks.bytes_per_rank) == (20, 5, 0)
    ranks = fit(WantedRanks(3, ngpu=4), rules, card)
    assert (ranks.nproc, ranks.ngpu) == (3, 3)
    ranks = fit(WantedRanks(1, ngpu=4), rules, card)
    assert (ranks.nproc, ranks.ngpu) == (1, 1)


def test_without_mpi_one_process_spreads_its_threads() -> None:
    vdam = replace(REFINE, padding=1, gradient=True)
    ranks = refine(refinement=vdam, mpi=False, split_halves=False, nthread=12)
    assert (ranks.nproc, ranks.nthread, ranks.ngpu, ranks.ranks_per_gpu) == (1, 12, 4, 1)
    assert ranks.bytes_per_rank == gpu_memory.bytes_per_rank(vdam, 3)
    assert ranks.reasons[-1] == "One process without MPI, 12 threads on 4 of 4 GPUs."
    few = refine(refinement=vdam, mpi=False, split_halves=False, nthread=2)
    assert few.ngpu == 2
    with pytest.raises(DoesNotFit):
        refine(900, mpi=False, split_halves=False)


def test_one_rank_wanted_is_one_process_without_mpi() -> None:
    ranks = refine(nproc=1, split_halves=False)
    assert (ranks.nproc, ranks.ngpu) == (1, 4)
    assert refine(nproc=1, ngpu=0, split_halves=False).nproc == 1


@pytest.mark.parametrize(("wanted", "mpi"), [(2, True), (1, True), (21, False)])
@pytest.mark.parametrize("memory_model", ["relion", "fmi"])
def test_split_halves_with_fewer_than_three_ranks_are_refused(
    wanted: int, mpi: bool, memory_model: MemoryModel
) -> None:
    with pytest.raises(ConfigError, match="at least 3 ranks"):
        refine(nproc=wanted, mpi=mpi, memory_model=memory_model)


@pytest.mark.parametrize(("wanted", "nproc"), [(21, 21), (20, 19), (3, 3)])
def test_without_gpus_only_the_odd_number_counts(wanted: int, nproc: int) -> None:
    ranks = refine(nproc=wanted, ngpu=0)
    assert (ranks.nproc, ranks.ngpu, ranks.ranks_per_gpu, ranks.bytes_per_rank) == (nproc, 0, 0, 0)
    assert refine(nproc=20, ngpu=0, split_halves=False).nproc == 20


def test_unknown_memory_sets_no_limit() -> None:
    assert refine(800, gpu_bytes=None).nproc == 21
    ranks = refine(refinement=None)
    assert (ranks.nproc, ranks.bytes_per_rank) == (21, 0)
    assert ranks.reasons[0] == "The job's GPU memory is not known, so it sets no limit."


def test_refusal_names_the_numbers_and_what_would_help() -> None:
    with pytest.raises(DoesNotFit) as caught:
        refine(800)
    assert str(caught.value) == (
        "This refinement does not fit on the GPU: a rank needs at least 44.5 GB (box 800 pixels "
        "from particles.star, optics group 1, padding 2, 1 class in 3D, 4 threads), and the GPU "
        "has 31.2 GB usable of 32.2 GB; use --pad 1, or a GPU of at least 45.9 GB."
    )


@pytest.mark.parametrize(
    ("changes", "offered", "not_offered"),
    [
        ({"box": 512, "classes": 6}, "fewer classes (at most 2), or", "threads"),
        ({"box": 512, "classes": 6}, "--pad 1, or", "threads"),
        ({"box": 512, "classes": 6, "padding": 1, "gradient": True}, "", "--pad"),
        ({"box": 1200, "classes": 6}, "use a GPU of at least", "--pad"),
    ],
)
def test_only_what_would_help_is_offered(
    changes: dict[str, int], offered: str, not_offered: str
) -> None:
    model = replace(REFINE, **changes)  # type: ignore[arg-type]
    card = min(GPU, least_card_for(0.9, model))
    with pytest.raises(DoesNotFit) as caught:
        refine(refinement=model, gpu_bytes=card, split_halves=False)
    advice = str(caught.value).rpartition("; ")[2]
    assert offered in advice
    assert not_offered not in advice


def test_many_threads_are_no_ground_for_refusal() -> None:
    ranks = refine(300, gpu_bytes=8_000_000_000, nthread=24)
    each = gpu_memory.bytes_per_rank(replace(REFINE, box=300), ranks.nthread)
    assert ranks.nproc == 5
    assert each <= 8_000_000_000 * 0.97 < each + 300_000_000  # one thread more would not fit
    assert f"{ranks.nthread} threads instead of 24: the working memory of more" in ranks.reasons[1]


def test_a_search_too_wide_for_the_card_is_no_ground_for_refusal() -> None:
    wide = replace(REFINE, search=Search(first=2_000_000, finest=2_000_000, shifts=200))
    ranks = refine(refinement=wide, gpu_bytes=8_000_000_000)
    assert (ranks.nproc, ranks.nthread) == (5, 1)
    assert ranks.reasons[0].endswith(
        "none fits into 7.8 GB usable of 8.0 GB. 1 rank is planned with less GPU working memory "
        "than recommended: RELION needs at least 2.7 GB per rank."
    )


def test_reserved_memory_is_offered_when_it_is_the_cause() -> None:
    with pytest.raises(DoesNotFit, match="a lower --free_gpu_memory"):
        refine(128, gpu_bytes=8_000_000_000, free_gpu_memory=7000)


def test_what_is_offered_for_one_gpu_helps_both_halves() -> None:
    card = least_card_for(1.9, replace(REFINE, padding=1))  # with --pad 1 one of the two would fit
    with pytest.raises(DoesNotFit) as caught:
        refine(ngpu=1, gpu_bytes=card)
    assert "--pad 1" not in str(caught.value)
    with pytest.raises(DoesNotFit, match="--pad 1, or"):
        refine(ngpu=1, gpu_bytes=least_card_for(2, replace(REFINE, padding=1)))


def test_the_offered_card_is_enough() -> None:
    with pytest.raises(DoesNotFit) as caught:
        refine(800)
    offered = float(str(caught.value).rpartition("at least ")[2].removesuffix(" GB."))
    assert refine(800, gpu_bytes=int(offered * 1e9)).nproc == 5
    with pytest.raises(DoesNotFit):
        refine(800, gpu_bytes=int((offered - 0.2) * 1e9))


def test_bodies_that_may_not_overlap_are_no_ground_for_refusal() -> None:
    bodies = replace(REFINE, bodies=3, body_overlaps=6)
    apart = replace(bodies, body_overlaps=0)
    ranks = refine(refinement=bodies, gpu_bytes=least_card_for(1, apart))
    assert (ranks.nproc, ranks.ranks_per_gpu) == (5, 1)
    with pytest.raises(DoesNotFit):
        refine(refinement=bodies, gpu_bytes=least_card_for(0.99, apart))
    assert refine(refinement=bodies, gpu_bytes=card_for(2, bodies)).nproc == 9


def test_reasons_have_the_numbers() -> None:
    assert refine(512).reasons == (
        "A rank needs 13.2 GB on its GPU by the relion model (box 512 pixels from "
        "particles.star, optics group 1, padding 2, 1 class in 3D, 4 threads); "
        "2 fit into 31.2 GB usable of 32.2 GB.",
        "4 GPUs x 2 followers + 1 leader = 9 ranks, of at most 21.",
    )
    assert refine(ngpu=3, gpu_bytes=card_for(1)).reasons[1:] == (
        "2 GPUs x 1 follower + 1 leader = 3 ranks, of at most 21.",
        "2 of 3 GPUs are used: split half sets need an even number of followers, the same number "
        "on each GPU.",
    )
    assert refine(ngpu=3, gpu_bytes=card_for(3)).reasons[1:] == (
        "3 GPUs x 2 followers + 1 leader = 7 ranks, of at most 21.",
        "3 followers per GPU would make 10 ranks; split half sets need an odd number.",
    )
    assert refine(nproc=4).reasons[1:] == (
        "2 GPUs x 1 follower + 1 leader = 3 ranks, of at most 4.",
        "2 of 4 GPUs are used: only 3 followers may run, and split half sets need an even number "
        "of followers, the same number on each GPU.",
    )
    assert refine(nproc=3).reasons[2] == "2 of 4 GPUs are used: only 2 followers may run."
    assert refine(nproc=20, ngpu=0).reasons == (
        "19 ranks on CPUs, of at most 20; split half sets need an odd number.",
    )


def test_fewer_ranks_have_more_threads_on_the_same_cores() -> None:
    ranks = refine(gpu_bytes=card_for(1, threads=8), cores=32, nthread=8)
    assert (ranks.nproc, ranks.nthread) == (5, 6)
    assert "6 threads instead of 8: 5 ranks share the 32 cores of a node." in ranks.reasons
    assert refine(cores=32, nthread=8).nthread == 1  # 21 ranks
    ranks = refine(cores=16, nthread=1)
    assert (ranks.nproc, "13 ranks instead of 21: a node has 16 cores." in ranks.reasons) == (
        13,
        True,
    )


def test_ranks_that_relion_needs_run_on_too_few_cores_as_well() -> None:
    for ngpu in (1, 2, 4):
        ranks = refine(ngpu=ngpu, cores=2)
        assert (ranks.nproc, ranks.nthread) == (3, 1)
    ranks = refine(nodes=2, ngpu=1, cores=1)
    assert (ranks.nproc, ranks.nodes) == (3, 2)


def test_a_cap_gives_way_to_relions_rules_only() -> None:
    assert refine(ranks_per_gpu=2).nproc == 9
    assert refine(ngpu=1, ranks_per_gpu=1).nproc == 3
    assert (
        "At most 2 ranks may share a GPU, not 5 (ranks_per_gpu)." in refine(ranks_per_gpu=2).reasons
    )


def test_host_memory_takes_ranks_from_all_gpus_alike() -> None:
    nine = host_memory(REFINE, 9).total
    ranks = refine(node=Node(nine, REFINE))
    assert (ranks.nproc, ranks.ranks_per_gpu) == (9, 2)
    assert ranks.host_memory and ranks.host_memory.total == nine
    ranks = refine(node=Node(nine - 1, REFINE))
    assert (ranks.nproc, ranks.ngpu, ranks.ranks_per_gpu) == (5, 4, 1)
    ranks = refine(node=Node(host_memory(REFINE, 3).total, REFINE))
    assert (ranks.nproc, ranks.ngpu) == (3, 2)
    with pytest.raises(
        DoesNotFit, match="into a node's host memory: the refinement needs at least 3 ranks"
    ):
        refine(node=Node(host_memory(REFINE, 3).total - 1, REFINE))


def test_several_nodes_are_filled_alike() -> None:
    ranks = refine(nodes=2, ngpu=4, nproc=18)
    assert (ranks.nproc, ranks.nodes, ranks.ngpu, ranks.ranks_per_gpu) == (17, 2, 4, 2)
    assert (
        ranks.reasons[-1] == "2 nodes x 4 GPUs x 2 followers + 1 leader = 17 ranks, of at most 18."
    )
    ranks = refine(nodes=3, ngpu=1, gpu_bytes=card_for(1))
    assert (ranks.nproc, ranks.nodes, ranks.ngpu) == (3, 2, 1)


@given(
    wanted=st.integers(3, 60),
    nodes=st.integers(1, 3),
    ngpu=st.integers(0, 8),
    gpu_bytes=st.integers(4 * 10**9, 150 * 10**9),
    threads=st.integers(1, 16),
    cores=st.none() | st.integers(1, 128),
    memory=st.none() | st.integers(4 * 10**9, 10**12),
    cap=st.none() | st.integers(1, 5),
    box=st.integers(32, 600),
    split_halves=st.booleans(),
)
def test_every_fit_stays_within_the_node(
    wanted: int, nodes: int, ngpu: int, gpu_bytes: int, threads: int, cores: int | None,
    memory: int | None, cap: int | None, box: int, split_halves: bool,
) -> None:  # fmt: skip
    model = replace(REFINE, box=box)
    most, rules = (
        WantedRanks(wanted, threads, ngpu, nodes, cap),
        RankRules(split_halves=split_halves),
    )
    try:
        ranks = fit(most, rules, Card(gpu_bytes, model), Node(memory, model, cores=cores))
    except DoesNotFit as error:
        offered = layouts(most._replace(ranks_per_gpu=None), rules)
        fewest = min(layout.on_fullest_node for layout in offered)
        least = gpu_memory.least_bytes_per_rank(model) * least_per_gpu(most, rules)
        assert (ngpu and least > gpu_memory.usable_bytes(gpu_bytes)) or (
            memory is not None and not Node(memory, model).holds(fewest)
        ), error
        return
    here = -(-ranks.nproc // ranks.nodes)
    assert ranks.nproc <= wanted and ranks.nodes <= nodes and ranks.ngpu <= ngpu
    if cores is not None and here * ranks.nthread > cores:
        assert ranks.nthread == 1 and here <= 3
    if memory is not None:
        assert host_memory(model, here).total <= memory
    if ngpu:
        assert ranks.nproc == ranks.nodes * ranks.ngpu * ranks.ranks_per_gpu + 1
        assert cap is None or ranks.ranks_per_gpu <= max(cap, ranks.least)
    if split_halves:
        assert ranks.nproc % 2 == 1


@given(
    wanted=st.integers(1, 60),
    ngpu=st.integers(0, 10),
    gpu_bytes=st.none() | st.integers(10**9, 150 * 10**9),
    threads=st.integers(1, 16),
    box=st.integers(32, 900),
    known=st.booleans(),
    memory_model=st.sampled_from(["relion", "fmi"]),
    mpi=st.booleans(),
    idle_leader=st.booleans(),
    split_halves=st.booleans(),
)
def test_every_fit_obeys_relions_rules(
    wanted: int, ngpu: int, gpu_bytes: int | None, threads: int, box: int, known: bool,
    memory_model: MemoryModel, mpi: bool, idle_leader: bool, split_halves: bool,
) -> None:  # fmt: skip
    assume(idle_leader or not split_halves)
    model = replace(REFINE, box=box) if known else None
    limited = known and gpu_bytes is not None and ngpu > 0
    try:
        ranks = fit(
            WantedRanks(wanted, threads, ngpu),
            RankRules(mpi, idle_leader, split_halves),
            Card(gpu_bytes, model, memory_model),
        )
    except ConfigError:
        assert split_halves and (wanted < 3 or not mpi)
        return
    except DoesNotFit:
        assert limited and memory_model == "relion" and model is not None
        assert gpu_bytes is not None
        least = 2 if split_halves and ngpu == 1 else 1
        usable = gpu_memory.usable_bytes(gpu_bytes)
        assert gpu_memory.least_bytes_per_rank(model) * least > usable
        return
    assert 1 <= ranks.nproc <= wanted
    assert 1 <= ranks.nthread <= threads
    assert 0 <= ranks.ngpu <= ngpu
    assert ranks.reasons and all(reason.endswith(".") for reason in ranks.reasons)
    if split_halves:
        assert ranks.nproc >= 3 and ranks.nproc % 2 == 1
    if not mpi:
        assert ranks.nproc == 1
    if ranks.nproc > 1 and ngpu > 0:
        assert ranks.nproc == ranks.ngpu * ranks.ranks_per_gpu + idle_leader
        assert ranks.ranks_per_gpu >= 1
    if limited and memory_model == "relion":
        assert gpu_bytes is not None and model is not None
        least = 2 if split_halves and ngpu == 1 else 1
        makes_do = ranks.ranks_per_gpu == least
        each = gpu_memory.least_bytes_per_rank(model) if makes_do else ranks.bytes_per_rank
        assert ranks.ranks_per_gpu * each <= gpu_bytes * 0.97
