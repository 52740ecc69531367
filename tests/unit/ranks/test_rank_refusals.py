"""A fit that is refused names the numbers and what would help."""

from dataclasses import replace

import pytest

from dispatcher.errors import ConfigError, DoesNotFit
from dispatcher.memory import gpu_memory
from dispatcher.memory.card import MemoryModel
from dispatcher.memory.sampling import Search

from .fitted import GPU, REFINE, card_for, least_card_for, refine


def test_box_for_which_the_card_is_too_small_is_refused() -> None:
    with pytest.raises(DoesNotFit, match="This refinement does not fit on the GPU"):
        refine(720)  # 1.05 x 20V = 29.4 GiB of 31.2 usable


@pytest.mark.parametrize(("wanted", "mpi"), [(2, True), (1, True), (21, False)])
@pytest.mark.parametrize("memory_model", ["relion", "fmi"])
def test_split_halves_with_fewer_than_three_ranks_are_refused(
    wanted: int, mpi: bool, memory_model: MemoryModel
) -> None:
    with pytest.raises(ConfigError, match="at least 3 ranks"):
        refine(nproc=wanted, mpi=mpi, memory_model=memory_model)


def test_refusal_names_the_numbers_and_what_would_help() -> None:
    with pytest.raises(DoesNotFit) as caught:
        refine(800)
    assert str(caught.value) == (
        "This refinement does not fit on the GPU: a rank needs at least 41.4 GiB (box 800 pixels "
        "from particles.star, optics group 1, padding 2, 1 class in 3D, 4 threads), and the GPU "
        "has 29.1 GiB usable of 30.0 GiB; use --pad 1, or a GPU of at least 42.8 GiB."
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
        "none fits into 7.2 GiB usable of 7.5 GiB. 1 rank is planned with less GPU working memory "
        "than recommended: RELION needs at least 2.5 GiB per rank."
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
    offered = float(str(caught.value).rpartition("at least ")[2].removesuffix(" GiB."))
    assert refine(800, gpu_bytes=int(offered * 2**30)).nproc == 5
    with pytest.raises(DoesNotFit):
        refine(800, gpu_bytes=int((offered - 0.2) * 2**30))


def test_bodies_that_may_not_overlap_are_no_ground_for_refusal() -> None:
    bodies = replace(REFINE, bodies=3, body_overlaps=6)
    apart = replace(bodies, body_overlaps=0)
    ranks = refine(refinement=bodies, gpu_bytes=least_card_for(1, apart))
    assert (ranks.nproc, ranks.ranks_per_gpu) == (5, 1)
    with pytest.raises(DoesNotFit):
        refine(refinement=bodies, gpu_bytes=least_card_for(0.99, apart))
    assert refine(refinement=bodies, gpu_bytes=card_for(2, bodies)).nproc == 9
