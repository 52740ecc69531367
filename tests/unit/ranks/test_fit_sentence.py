"""The figures of the sentence on a fit add up, for people who reckon with them."""

from __future__ import annotations

import pytest

from dispatcher.memory.card import Card
from dispatcher.memory.refinement import Refinement

from .fitted import refine


def test_a_sentence_that_does_not_add_up_says_what_one_rank_more_would_need() -> None:
    one = Refinement(440, "particles.star", auto_refine=True)
    each = Card(None, one).bytes_per_rank(4, 1)
    fit = refine(refinement=one, ngpu=2, gpu_bytes=round(each * 2.02 / 0.97), mps=True)

    assert (fit.ranks_per_gpu, fit.bytes_per_rank) == (1, each)
    more = Card(None, one, mps=True).bytes_per_rank(4, 2)
    assert fit.reasons[0].endswith(f"GiB, as each of 2 would need {more / 2**30:.1f} GiB.")


def test_a_sentence_that_adds_up_says_no_more() -> None:
    one = Refinement(440, "particles.star", auto_refine=True)
    each = Card(None, one).bytes_per_rank(4, 1)
    fit = refine(refinement=one, ngpu=2, gpu_bytes=round(each * 1.5 / 0.97), mps=True)

    assert fit.ranks_per_gpu == 1
    assert "would need" not in fit.reasons[0]


@pytest.mark.parametrize("mps", [True, False])
def test_the_figures_of_every_sentence_add_up(mps: bool) -> None:
    """Those that fit do, and one more does not, by the figures as people read them."""
    told = 0
    for box in range(96, 640, 16):
        for gib in (11, 16, 24, 48, 80):
            one = Refinement(box, "particles.star", auto_refine=True)
            card = Card(gib * 2**30, one, mps=mps)
            most = card.most_ranks(4) or 0
            for ranks in range(1, most + 1):
                sentence = card.explained(4, ranks, 1)
                usable = round((card.usable_bytes or 0) * 10 / 2**30)
                figure = round(card.bytes_per_rank(4, ranks) * 10 / 2**30)
                if "would need" in sentence:
                    told += 1
                    figure = round(10 * float(sentence.split()[-2]))
                    assert f"each of {most + 1} would need" in sentence
                rounded = (most + 2) / 2  # 0.05 GiB of each figure
                assert (most + 1) * figure + rounded >= usable, sentence
    assert told > 50
