"""Ranks are fitted to GPU memory and to RELION's rules, and say why."""

from dataclasses import replace

import pytest

from dispatcher.errors import DoesNotFit
from dispatcher.memory import gpu_memory
from dispatcher.memory.card import Card
from dispatcher.memory.host_memory import Node, host_memory
from dispatcher.ranks.layouts import RankRules, WantedRanks
from dispatcher.ranks.rank_fit import fit_ranks

from .fitted import REFINE, card_for, least_card_for, refine


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
    ("box", "nproc"), [(128, 21), (256, 21), (400, 13), (440, 9), (512, 9), (640, 5), (700, 5)]
)
def test_classic_cards_by_box_size(box: int, nproc: int) -> None:
    assert refine(box).nproc == nproc


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
    assert "none fits into 30.0 GiB, but this model never plans fewer than 2." in ranks.reasons[0]


def test_programs_without_an_idle_leader_have_as_many_ranks_as_followers() -> None:
    rules, card = RankRules(idle_leader=False), Card(None, None)
    ranks = fit_ranks(WantedRanks(21, ngpu=4), rules, card)
    assert (ranks.nproc, ranks.ranks_per_gpu, ranks.bytes_per_rank) == (20, 5, 0)
    ranks = fit_ranks(WantedRanks(3, ngpu=4), rules, card)
    assert (ranks.nproc, ranks.ngpu) == (3, 3)
    ranks = fit_ranks(WantedRanks(1, ngpu=4), rules, card)
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


def test_reasons_have_the_numbers() -> None:
    assert refine(512).reasons == (
        "A rank needs 14.2 GiB on its GPU by the relion model (box 512 pixels from "
        "particles.star, optics group 1, padding 2, 1 class in 3D, 4 threads); "
        "2 fit into 29.1 GiB usable of 30.0 GiB.",
        "Each rank leaves 2047 MB free (--free_gpu_memory): ranks that share a GPU count its free "
        "memory before all of them have taken theirs.",
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
