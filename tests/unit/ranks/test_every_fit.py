"""Whatever is asked for: each fit stays within the node and obeys RELION's rules."""

from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from dispatcher.errors import ConfigError, DoesNotFit
from dispatcher.memory import gpu_memory
from dispatcher.memory.card import Card, MemoryModel
from dispatcher.memory.host_memory import Node, host_memory
from dispatcher.ranks.layouts import RankRules, WantedRanks, layouts, least_per_gpu
from dispatcher.ranks.rank_fit import fit_ranks

from .fitted import REFINE


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
        ranks = fit_ranks(most, rules, Card(gpu_bytes, model), Node(memory, model, cores=cores))
    except DoesNotFit as error:
        offered = layouts(most._replace(ranks_per_gpu=None), rules)
        fewest = min(layout.on_fullest_node for layout in offered)
        on_gpu = least_per_gpu(most, rules)
        least = Card(gpu_bytes, model).least_bytes_per_rank(1, on_gpu) * on_gpu
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
        ranks = fit_ranks(
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
