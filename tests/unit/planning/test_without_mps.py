"""Ranks that fit on a GPU only without MPS share it without, and the plan says so.

No GPU: what fits is computed from RELION's source (docs/gpu.md).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.errors import DoesNotFit
from dispatcher.memory.card import Card
from dispatcher.memory.refinement import Refinement
from dispatcher.planning.node_table import node_table

from ...fixture_types import CorpusJob, WriteSite
from ..ranks.fitted import REFINE as REFINEMENT
from ..ranks.fitted import refine
from .planned import REFINE, plan

ONE = Refinement(300, "particles.star", auto_refine=True)
EIGHT = 8 * 2**30


def least(ranks: int, refinement: Refinement, mps: bool) -> int:
    """Bytes of the smallest card on which so many ranks may share."""
    each = Card(None, refinement, mps=mps).least_bytes_per_rank(1, ranks)
    return -(-ranks * each * 100 // 97)


def test_both_half_sets_that_fit_only_without_mps_do_without() -> None:
    fit = refine(refinement=ONE, ngpu=1, gpu_bytes=EIGHT, mps=True)

    without = refine(refinement=ONE, ngpu=1, gpu_bytes=EIGHT, mps=False)
    assert not fit.mps
    assert fit._replace(reasons=()) == without._replace(reasons=())
    assert set(without.reasons) < set(fit.reasons)
    (why,) = set(fit.reasons) - set(without.reasons)
    assert why == (
        "2 ranks share a GPU without MPS: through MPS, each would need at least 4.2 GiB there, "
        "with 1000 MB left free (--free_gpu_memory), and they would not fit."
    )


def test_what_the_race_asks_for_is_left_free_without_mps_too() -> None:
    fit = refine(refinement=ONE, ngpu=1, gpu_bytes=EIGHT, mps=True)

    side = 2 * (2 * (300 // 2) + 1) + 1
    fixed = 20 * side * side * (side // 2 + 1)
    assert fit.ranks_per_gpu == 2
    assert 0.25 * fixed <= 200_000_000 * fit.nthread + (fit.free_gpu_memory or 0) * 1_000_000


@pytest.mark.parametrize("box", [128, 200, 256, 300, 320])
def test_mps_is_given_up_only_where_the_fewest_ranks_do_not_fit_through_it(box: int) -> None:
    one = Refinement(box, "particles.star", auto_refine=True)
    through, without = least(2, one, mps=True), least(2, one, mps=False)
    assert without < through

    def fitted(gpu_bytes: int) -> bool:
        fit = refine(refinement=one, ngpu=1, gpu_bytes=gpu_bytes, mps=True)
        assert fit.ranks_per_gpu == 2
        return fit.mps

    assert fitted(through + 10**6)
    assert not fitted(through - 10**6)
    assert not fitted(without + 10**6)
    with pytest.raises(DoesNotFit):
        fitted(without - 10**6)


def test_a_refusal_names_the_card_that_is_enough_without_mps() -> None:
    with pytest.raises(DoesNotFit) as through:
        refine(refinement=ONE, ngpu=1, gpu_bytes=EIGHT * 3 // 4, mps=True)
    with pytest.raises(DoesNotFit) as without:
        refine(refinement=ONE, ngpu=1, gpu_bytes=EIGHT * 3 // 4, mps=False)
    assert str(through.value) == str(without.value)
    offered = float(str(through.value).rpartition("at least ")[2].removesuffix(" GiB."))
    assert refine(refinement=ONE, ngpu=1, gpu_bytes=int(offered * 2**30), mps=True).nproc == 3


def test_a_plan_without_mps_starts_none_and_its_rows_are_for_ranks_that_share(
    site: WriteSite, images: Path, corpus_job: CorpusJob
) -> None:
    larger = {"partitions": {"gpu": {"gpus": 1, "gpu_memory": f"{least(2, REFINEMENT, True)}"}}}
    small = {"partitions": {"gpu": {"gpus": 1, "gpu_memory": "6500000000"}}}
    parameters = {"job_parameters": {"gpu": {"partition": "gpu"}}}

    site("site.json", {**larger, **parameters})
    assert plan(corpus_job(REFINE)).mps
    site("site.json", {**small, **parameters})
    planned = plan(corpus_job(REFINE))

    assert not planned.mps
    assert any("share a GPU without MPS: through MPS" in reason for reason in planned.reasons)
    assert node_table(planned)[0].startswith("1 shared ")
    assert float(planned.commands[0].command.value("free_gpu_memory") or 0) < 1000
