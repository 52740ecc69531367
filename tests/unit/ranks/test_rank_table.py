"""The rows for smaller GPUs: the first is the plan, the others decide as 0.1.0's shell did."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.ranks.gpu_fit import GpuFit
from dispatcher.ranks.layouts import Layout, RankRules, WantedRanks, layouts, least_per_gpu
from dispatcher.ranks.rank_table import RankRow, rank_table

MIB = 1 << 20


class Planned(NamedTuple):
    """Ranks that were planned, and what the plan knows of their memory."""

    layout: Layout
    fit: GpuFit

    def rows(self, mps: bool) -> tuple[RankRow, ...]:
        return rank_table(self.layout, self.fit, mps)


def planned(
    nproc: int = 5, ngpu: int = 2, ranks_per_gpu: int = 2, nodes: int = 1, **fit: object
) -> Planned:
    """Two followers on each of two GPUs, with split half sets; a rank takes 4 GB, at least 1 GB."""
    values = {
        "bytes_per_rank": 4 * 10**9, "bytes_per_rank_without_mps": 5 * 10**9,
        "least_bytes_per_rank": 10**9, "least": 1, "idle_leader": True, "split_halves": True,
        "usable_percent": 100, "ranks_per_gpu": ranks_per_gpu, **fit,
    }  # fmt: skip
    return Planned(
        Layout(nproc, nodes, ngpu, ranks_per_gpu),
        GpuFit(**values),  # type: ignore[arg-type]
    )


def test_rows_go_from_the_largest_card_down_for_each_way_to_share() -> None:
    assert planned().rows(mps=True) == (
        RankRow("mps", 7630, 5, 2, 8 * 10**9, "ok", 2),
        RankRow("mps", 3815, 3, 1, 4 * 10**9, "ok", 2),
        RankRow("mps", 954, 3, 1, 4 * 10**9, "tight", 2),
        RankRow("mps", 0, 0, 1, None, "no"),
        RankRow("shared", 9537, 5, 2, 10 * 10**9, "ok", 2),
        RankRow("shared", 4769, 3, 1, 5 * 10**9, "ok", 2),
        RankRow("shared", 954, 3, 1, 5 * 10**9, "tight", 2),
        RankRow("shared", 0, 0, 1, None, "no"),
        RankRow("exclusive", 4769, 3, 1, 5 * 10**9, "ok", 2),
        RankRow("exclusive", 954, 3, 1, 5 * 10**9, "tight", 2),
        RankRow("exclusive", 0, 0, 1, None, "no"),
    )


def test_one_rank_on_a_gpu_need_not_share_it() -> None:
    rows = planned(nproc=3, ranks_per_gpu=1).rows(mps=False)

    assert [row.sharing for row in rows] == ["shared"] * 3


def test_bytes_that_are_not_known_set_no_limit() -> None:
    rows = planned(bytes_per_rank=0, bytes_per_rank_without_mps=0).rows(mps=True)

    assert rows == (
        RankRow("mps", 0, 5, 2, None, "ok", 2),
        RankRow("shared", 0, 5, 2, None, "ok", 2),
        RankRow("exclusive", 0, 3, 1, None, "ok", 2),
    )


def test_the_least_ranks_stay_on_any_card_if_the_model_never_goes_lower() -> None:
    rows = planned(least_bytes_per_rank=0).rows(mps=False)

    assert rows[:3] == (
        RankRow("shared", 9537, 5, 2, 10 * 10**9, "ok", 2),
        RankRow("shared", 4769, 3, 1, 5 * 10**9, "ok", 2),
        RankRow("shared", 0, 3, 1, 5 * 10**9, "tight", 2),
    )


def test_two_ranks_that_share_a_gpu_against_the_plan_need_all_that_they_leave_free() -> None:
    """Four followers on two GPUs were planned, and one GPU is left for two of them."""
    rows = planned(nproc=3, ngpu=1, least_bytes_sharing=2 * 10**9).rows(mps=False)

    assert rows[:3] == (
        RankRow("shared", 9537, 3, 2, 10 * 10**9, "ok", 1),
        RankRow("shared", 3815, 3, 2, 10 * 10**9, "tight", 1),
        RankRow("shared", 0, 0, 2, None, "no"),
    )


def test_two_ranks_that_a_gpu_must_hold_do_not_run_in_exclusive_mode() -> None:
    rows = planned(nproc=3, ngpu=1, least=2).rows(mps=True)

    assert rows[-1] == RankRow("exclusive", 0, 0, 2, None, "no")


# What the job script of 0.1.0 decided on the node (job_template/parts/gpu_ranks.sh.j2).


class Outcome(NamedTuple):
    """Ranks in all and on each GPU, or none; whether less memory than recommended was said."""

    nproc: int
    ranks_per_gpu: int
    tight: bool = False


REFUSED = Outcome(0, 0)


def old_rules(planned: Planned, mib: int, sharing: str) -> Outcome:
    """The shell's arithmetic, line by line; `mib` 0 stands for memory that is not known."""
    (nproc, nodes, gpus, each, _), fit = planned
    least, least_bytes = fit.least or 0, fit.least_bytes_per_rank or 0
    total, most_allowed = gpus * nodes, 1 if sharing == "exclusive" else each
    if most_allowed < least:
        return REFUSED
    size = fit.bytes_per_rank or 0
    if sharing != "mps" and fit.bytes_per_rank_without_mps:
        size = fit.bytes_per_rank_without_mps
    usable = mib * MIB * (fit.usable_percent or 100) // 100
    most = usable // size if mib and size else each
    most = min(most, most_allowed)
    if most >= each:
        return Outcome(nproc, each)
    if least_bytes and most < least and least_bytes * least > usable:
        return REFUSED
    if nproc > 1:
        each = max(most, least)
        if fit.split_halves:
            each -= total * each % 2
            if each == 0:
                each, total = 1, total - 1
        nproc = total * each + bool(fit.idle_leader)
    return Outcome(nproc, each, tight=most < each)


def looked_up(rows: tuple[RankRow, ...], mib: int, sharing: str) -> Outcome:
    """What library/ranks.sh reads out of the table."""
    kinds = {row.sharing for row in rows}
    own = [row for row in rows if row.sharing == (sharing if sharing in kinds else "shared")]
    row = next((row for row in own if mib == 0 or mib >= row.least_mib), None)
    assert row is not None
    if row.verdict == "no":
        return REFUSED
    return Outcome(row.nproc, row.ranks_per_gpu, row.verdict == "tight")


@st.composite
def planned_jobs(draw: st.DrawFn) -> Planned:
    """Ranks as the planning spreads them, with sizes of all proportions."""
    wanted = WantedRanks(
        nproc=draw(st.integers(2, 30)),
        ngpu=draw(st.integers(1, 5)),
        nodes=draw(st.integers(1, 3)),
        ranks_per_gpu=draw(st.integers(1, 6)),
    )
    rules = RankRules(idle_leader=draw(st.booleans()), split_halves=draw(st.booleans()))
    possible = list(layouts(wanted, rules))
    layout = draw(st.sampled_from(possible)) if possible else Layout(1, 1, wanted.ngpu, 1)
    size = draw(st.integers(10**7, 12 * 10**9))
    spread = WantedRanks(layout.nproc, ngpu=layout.gpus, nodes=layout.nodes)
    return planned(
        nproc=layout.nproc,
        ngpu=layout.gpus,
        ranks_per_gpu=layout.ranks_per_gpu,
        nodes=layout.nodes,
        least=least_per_gpu(spread, rules) if possible else 1,
        idle_leader=rules.idle_leader,
        split_halves=rules.split_halves and bool(possible),
        bytes_per_rank=size,
        bytes_per_rank_without_mps=draw(st.sampled_from([0, size, size + 10**9])),
        least_bytes_per_rank=draw(st.integers(0, size)),
        usable_percent=draw(st.sampled_from([97, 100])),
    )


@given(planned_jobs(), st.integers(0, 90_000), st.sampled_from(["mps", "shared", "exclusive"]))
def test_the_table_says_what_the_shell_of_0_1_0_decided(
    job: Planned, mib: int, sharing: str
) -> None:
    """But for half sets on an odd number of GPUs over several nodes with one rank each: the shell
    left out one GPU, and filled nodes unevenly; the layouts fill all nodes alike."""
    decided = looked_up(job.rows(mps=True), mib, sharing)
    before = old_rules(job, mib, sharing)

    layout = job.layout
    odd = job.fit.split_halves and layout.gpus * layout.nodes % 2
    if layout.nodes > 1 and odd and before.nproc != layout.nproc and before.ranks_per_gpu == 1:
        assert decided.nproc % 2 == job.fit.idle_leader and decided.nproc <= before.nproc
    else:
        assert decided == before


@given(planned_jobs(), st.booleans())
def test_the_first_row_is_the_plan_itself(job: Planned, mps: bool) -> None:
    first = job.rows(mps)[0]

    assert first[2:4] == (job.layout.nproc, job.layout.ranks_per_gpu)
    assert first.verdict == "ok"


@given(planned_jobs(), st.booleans())
def test_rows_descend_and_none_says_what_the_one_before_has_said(job: Planned, mps: bool) -> None:
    for above, below in pairwise(job.rows(mps)):
        if above.sharing == below.sharing:
            assert above.least_mib > below.least_mib
            assert above.nproc >= below.nproc
            assert above[2:] != below[2:]
