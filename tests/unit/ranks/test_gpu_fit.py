"""What the record says of how ranks were fitted to GPUs: what was computed, or why nothing was."""

from __future__ import annotations

from dispatcher.memory.card import Card
from dispatcher.memory.host_memory import Node
from dispatcher.memory.refinement import Refinement
from dispatcher.ranks.gpu_fit import gpu_fit
from dispatcher.ranks.layouts import RankRules, WantedRanks
from dispatcher.ranks.rank_fit import RankFit, fit_ranks

REFINE = Refinement(box=256, source="particles.star, optics group 1", auto_refine=True)
BOX = ["box_size", "box_size_source"]
RULES = ["idle_leader", "split_halves"]
RANKS = ["ranks_per_gpu", "nproc", "total_gpus", "least"]


def fitted(ngpu: int, refinement: Refinement | None) -> RankFit:
    wanted = WantedRanks(18, 4, ngpu=ngpu, nodes=2)
    card = Card(48_000_000_000, refinement)
    return fit_ranks(wanted, RankRules(split_halves=True), card, Node(None, refinement))


def test_a_fit_is_recorded_with_its_bytes() -> None:
    ranks = fitted(4, REFINE)

    recorded = gpu_fit(ranks, REFINE, "not needed").as_json()

    assert list(recorded) == [
        *BOX,
        "host_memory",
        *RULES,
        *RANKS,
        "model",
        "bytes_per_rank",
        "bytes_per_rank_without_mps",
        "least_bytes_per_rank",
        "least_bytes_sharing",
        "usable_percent",
    ]
    assert ranks.host_memory
    assert recorded["host_memory"] == ranks.host_memory.total
    assert (recorded["nproc"], recorded["ranks_per_gpu"], recorded["total_gpus"]) == (17, 2, 8)


def test_ranks_on_cpus_are_recorded_without_bytes_of_a_gpu() -> None:
    recorded = gpu_fit(fitted(0, REFINE), REFINE, "the job uses no GPU").as_json()

    assert list(recorded) == [*BOX, "host_memory", *RULES, "model", "not_done"]
    assert (recorded["model"], recorded["not_done"]) == (None, "the job uses no GPU")


def test_ranks_of_an_unknown_box_are_recorded_without_bytes() -> None:
    recorded = gpu_fit(fitted(4, None), None, "the box size is not known here").as_json()

    assert list(recorded) == [*RULES, *RANKS, "model", "not_done"]
    assert recorded["model"] is None


def test_a_program_without_mpi_has_nothing_to_record_but_why() -> None:
    assert gpu_fit(None, None, "it holds no references").as_json() == {
        "model": None,
        "not_done": "it holds no references",
    }
