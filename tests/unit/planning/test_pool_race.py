"""Plans whose ranks share a GPU say how much each rank leaves free, and count it.

No GPU: whether a card overflows is computed from RELION's source (docs/gpu.md, "The pool's race").
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.errors import DoesNotFit
from dispatcher.memory.card import Card
from dispatcher.memory.refinement import Refinement
from dispatcher.memory.sampling import Search
from dispatcher.planning.make_plan import plan_script
from dispatcher.planning.plan import Plan
from dispatcher.ranks.gpu_fit import GpuFit, gpu_fit
from dispatcher.ranks.layouts import Layout, RankRules, WantedRanks
from dispatcher.ranks.rank_fit import RankFit, fit_ranks
from dispatcher.ranks.rank_table import rank_table

from ...corpus import CORPUS
from ...fixture_types import CorpusJob, WriteSite
from ..ranks.fitted import refine

GIB = 2**30
SEARCHES = {3: Search(4608, 36_864, 21), 4: Search(4608, 4608, 21)}
JOB = "relion-5.0.1/Refine3D_job011"


def overflow(refinement: Refinement, ranks: int, threads: int, left_free: float) -> float:
    """Bytes beyond the card's if ranks come one after the other; not above 0 if none."""
    side = 2 * (refinement.padding * (refinement.box // 2) + 1) + 1
    fixed = 20 * refinement.classes * side * side * (side // 2 + 1)
    need = 200_000_000 * threads + left_free * 1_000_000
    return 0.5 * fixed * (ranks - 1) - ranks * need


def left_free(fit: RankFit) -> float:
    return fit.free_gpu_memory or 0


def recorded(fit: RankFit) -> GpuFit:
    return gpu_fit(fit, Refinement(512, "", auto_refine=True), "")


@pytest.mark.parametrize("mps", [True, False])
def test_no_plan_overflows_its_cards_by_the_worst_order_of_ranks(mps: bool) -> None:
    """All cards, boxes, threads, paddings and classes of a site with four GPUs and nine ranks."""
    kinds = [
        Refinement(2, "", auto_refine=True, padding=pad, search=SEARCHES[3]) for pad in (1, 2)
    ] + [Refinement(2, "", classes=4, padding=pad, search=SEARCHES[4]) for pad in (1, 2)]
    shared = without = 0
    for kind, threads, gib, box in itertools.product(
        kinds, (6, 4, 2, 1), (16, 24, 32, 40, 48, 80, 141), range(128, 820, 8)
    ):
        refinement = replace(kind, box=box)
        rules = RankRules(split_halves=kind.auto_refine)
        wanted = WantedRanks(13, threads, ngpu=4, ranks_per_gpu=3)
        try:
            fit = fit_ranks(wanted, rules, Card(gib * GIB, refinement, mps=mps))
        except DoesNotFit:
            continue
        ranks = fit.ranks_per_gpu
        assert overflow(refinement, ranks, fit.nthread, left_free(fit)) <= 0, (refinement, gib)
        assert ranks * fit.bytes_per_rank <= 0.97 * gib * GIB or ranks == 1
        assert (ranks > 1) or fit.free_gpu_memory is None
        shared += ranks > 1
        without += overflow(refinement, ranks, fit.nthread, 0) > 0
    assert shared > 2000
    assert without > 500  # which would overflow if nothing were left free


def test_what_is_left_free_counts_in_the_fit() -> None:
    one = Refinement(400, "", auto_refine=True)
    fit = refine(refinement=one, mps=True)
    assert fit.free_gpu_memory is not None
    apart = Card(None, one, one_pool=False)
    plain = apart.bytes_per_rank(fit.nthread, fit.ranks_per_gpu)
    assert fit.bytes_per_rank == plain + fit.free_gpu_memory * 1_000_000
    assert fit.bytes_per_rank_without_mps == fit.bytes_per_rank


def test_smaller_cards_of_the_node_are_fitted_with_the_value_of_the_command() -> None:
    one = Refinement(512, "", auto_refine=True)
    fit = refine(refinement=one, gpu_bytes=60 * 10**9, mps=True)
    assert (fit.ranks_per_gpu, fit.free_gpu_memory) == (3, 2995)
    planned = Layout(fit.nproc, 1, 4, 3)

    rows = rank_table(planned, recorded(fit), mps=True)

    for row in rows:
        if row.verdict != "no":
            assert row.bytes_on_gpu == row.ranks_per_gpu * fit.bytes_per_rank
            assert overflow(one, row.ranks_per_gpu, fit.nthread, left_free(fit)) <= 0


def test_two_ranks_that_must_share_never_find_less_than_they_leave_free() -> None:
    """Else RELION ignores what is to be left free, and they overflow the card (0.7 of it each)."""
    one = Refinement(512, "", auto_refine=True, search=SEARCHES[3])
    fit = refine(refinement=one, ngpu=1, gpu_bytes=60 * 10**9, nthread=6)
    assert (fit.ranks_per_gpu, fit.least, fit.nthread) == (2, 2, 6)
    tight = rank_table(Layout(3, 1, 1, 2), recorded(fit), mps=False)[1]
    assert tight.verdict == "tight"

    free = (tight.least_mib * 2**20 * 0.97 - 2 * 0.5e9) / 2 - 20 * 1027 * 1027 * 514
    assert free > 6 * 200_000_000 + left_free(fit) * 1_000_000


@pytest.fixture
def plan(site: WriteSite, images: Path, corpus_job: CorpusJob) -> Callable[..., Plan]:
    def planned(change: Callable[[str], str] = str, job: str = JOB, **settings: Any) -> Plan:
        site("site.json", settings)
        script = corpus_job(job)
        script.write_text(change(script.read_text()))
        return plan_script(script, load_configuration())

    return planned


def written(plan: Plan) -> str | None:
    (main,) = [each.command for each in plan.commands if each.is_main]
    return main.value("free_gpu_memory")


def given(value: str) -> Callable[[str], str]:
    return lambda text: text.replace(" --pad 2", f" --pad 2 --free_gpu_memory {value}")


def test_the_command_says_what_each_rank_leaves_free_and_the_plan_says_why(
    plan: Callable[..., Plan],
) -> None:
    shared = plan()
    assert written(shared) == "1000"
    assert shared.gpu_fit.free_gpu_memory == 1000
    assert (
        "Each rank leaves 1000 MB free (--free_gpu_memory): ranks that share a GPU count its free "
        "memory before all of them have taken theirs."
    ) in shared.reasons
    assert "--free_gpu_memory 1000" in plan(given("700")).commands[0].command.shell()
    assert any("free instead of 700 (--free" in reason for reason in plan(given("700")).reasons)


def test_the_users_larger_value_stays_as_it_is_written(plan: Callable[..., Plan]) -> None:
    larger = plan(given("1500.50"))

    assert written(larger) == "1500.50"
    assert larger.gpu_fit.free_gpu_memory is None
    assert not any("Each rank leaves" in reason for reason in larger.reasons)


def test_the_sites_larger_value_stays_as_it_is_written(
    plan: Callable[..., Plan], site: WriteSite
) -> None:
    types = (Path(__file__).parents[3] / "config" / "dispatch_config.json").read_text()
    site(
        "dispatch_config.json",
        types.replace('{"gpu": "\\"\\""}', '{"gpu": "\\"\\"", "free_gpu_memory": 2500}', 1),
    )

    assert written(plan()) == "2500"


@pytest.mark.parametrize(
    ("settings", "job"),
    [
        ({"job_parameters": {"gpu": {"ranks_per_gpu": 1}}}, JOB),  # one rank on each GPU
        ({"job_parameters": {"gpu": {"ngpu": 0}}}, JOB),
        ({"job_parameters": {"gpu": {"ngpu": 0, "nproc": 3}}}, JOB),
        ({}, "relion-5.0.1/InitialModel_job009"),  # one process
        ({}, "relion-3.1.4/AutoPick_job009"),  # two ranks on each GPU, but no references
    ],
)
def test_ranks_that_do_not_race_leave_nothing_free(
    plan: Callable[..., Plan], settings: dict[str, Any], job: str
) -> None:
    assert written(plan(job=job, **settings)) is None


def test_without_mps_only_what_the_race_asks_for_is_left_free(plan: Callable[..., Plan]) -> None:
    assert written(plan(mps=False)) is None  # box 256, 6 threads: 1.2 GB are left free anyway
    one_thread = plan(mps=False, job_parameters={"gpu": {"nthread": 1, "nproc": 9}})
    assert 0 < int(written(one_thread) or 0) < 1000


def test_ranks_on_several_nodes_race_on_each(plan: Callable[..., Plan]) -> None:
    nodes = plan(
        scheduler="slurm",
        partitions={"gpu": {"cores": 64, "gpus": 2, "gpu_memory": "24G"}},
        job_parameters={"gpu": {"partition": "gpu", "nodes": 2, "ngpu": 2, "nproc": 9}},
    )
    assert (nodes.nodes, nodes.gpu_fit.ranks_per_gpu, written(nodes)) == (2, 2, "1000")


def test_cards_whose_memory_is_taken_piece_by_piece_have_no_race(
    plan: Callable[..., Plan], images: Path
) -> None:
    images.write_text(images.read_text().replace("nvidia", "intel"))
    assert written(plan(apptainer={"gpu_option": "--bind=/dev/dri"})) is None


def test_the_fmi_model_counts_as_ever_and_its_ranks_leave_memory_free() -> None:
    fmi = refine(256, memory_model="fmi", mps=True, ranks_per_gpu=3)
    assert (fmi.ranks_per_gpu, fmi.free_gpu_memory) == (3, 1000)
    assert fmi.bytes_per_rank == 84 * 256**3 * 2


def test_every_shared_plan_of_the_corpus_leaves_memory_free(
    plan: Callable[..., Plan],
) -> None:
    shared = 0
    for source in sorted(CORPUS.glob("*/*/run_submit.script")):
        found = plan(job=str(source.parent.relative_to(CORPUS)))
        if found.mps:
            shared += 1
            assert float(written(found) or 0) >= 1000
        else:
            assert written(found) is None
    assert shared > 8
