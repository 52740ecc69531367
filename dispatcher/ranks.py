"""How many ranks a job runs with, and on how many of its GPUs.

What is wanted is a maximum; GPU memory and RELION's own rules (relion_refine_mpi: one leader
that uses no GPU, an odd number of ranks for split half sets, ml_optimiser_mpi.cpp:795, 5.0.1)
bring it down. Followers are spread evenly, because an uneven spread lets the automatic GPU
mapping straddle two cards and pay twice (ml_optimiser_mpi.cpp:277). A pure decision: numbers in,
numbers and one sentence per decision out.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal, NamedTuple

from . import gpu_memory
from .errors import ConfigError, DoesNotFit
from .refinement import RefinementModel

__all__ = ["MemoryModel", "RankFit", "fit"]

MemoryModel = Literal["relion", "fmi"]


class RankFit(NamedTuple):
    """The ranks of a job: ``nproc`` in all, each with ``nthread`` threads, on ``ngpu`` GPUs.

    ``ranks_per_gpu`` counts the ranks that use a GPU (followers), 0 without GPUs;
    ``bytes_per_rank`` is what one takes there, 0 if unknown. ``model`` names the memory model.
    ``nproc`` 1 means the program without MPI. ``reasons``: one sentence per decision.
    """

    nproc: int
    nthread: int
    ngpu: int
    ranks_per_gpu: int
    bytes_per_rank: int
    model: MemoryModel
    reasons: tuple[str, ...]


def fit(
    *,
    wanted: int,
    ngpu: int,
    gpu_bytes: int | None,
    threads: int,
    refinement: RefinementModel | None,
    memory_model: MemoryModel = "relion",
    mpi: bool = True,
    idle_leader: bool = True,
    split_halves: bool = False,
    free_gpu_memory: float = 0,
) -> RankFit:
    """Fit the ranks of one command to ``ngpu`` GPUs of ``gpu_bytes`` each.

    ``wanted``: the most ranks; never exceeded. ``gpu_bytes`` None or ``refinement`` None: memory
    sets no limit. ``mpi`` False: one process, its threads spread over the GPUs. ``idle_leader``:
    rank 0 uses no GPU (relion_refine_mpi; not autopick, motioncorr, ctffind). ``split_halves``:
    an odd number of ranks, at least 3. ``free_gpu_memory``: MB, as in RELION's option.

    Raises DoesNotFit (``relion`` model only) when the least number of followers does not fit, and
    ConfigError when ``wanted`` is below what RELION needs.
    """
    if split_halves and (not mpi or wanted < 3):
        raise ConfigError(
            f"A refinement with split half sets needs MPI and at least 3 ranks, but this job may "
            f"have {wanted if mpi else 1}; set nproc of its job type to an odd number from 3 up."
        )
    single = not mpi or wanted < 1 + idle_leader
    if ngpu < 1:
        nproc = 1 if single else wanted - (split_halves and wanted % 2 == 0)
        why = "; split half sets need an odd number" if nproc not in (1, wanted) else ""
        reason = f"{_count(nproc, 'rank')} on CPUs, of at most {wanted}{why}."
        return RankFit(nproc, threads, 0, 0, 0, memory_model, (reason,))
    if single:
        return _one_process(ngpu, gpu_bytes, threads, refinement, memory_model, free_gpu_memory)

    least = 2 if split_halves and ngpu == 1 else 1
    followers = wanted - idle_leader
    per_rank, most, reasons = _memory(
        refinement, gpu_bytes, threads, least, memory_model, free_gpu_memory
    )
    used, each = _spread(followers, ngpu, most, even=split_halves)
    nproc = used * each + idle_leader
    leader = " + 1 leader" if idle_leader else ""
    reasons.append(
        f"{_count(used, 'GPU')} x {_count(each, 'follower' if idle_leader else 'rank')}{leader} "
        f"= {_count(nproc, 'rank')}, of at most {wanted}."
    )
    if used < ngpu:
        causes = []
        if followers < ngpu:
            causes.append(f"only {_count(followers, 'follower')} may run")
        if used < followers:
            causes.append("split half sets need an even number of followers, spread evenly")
        reasons.append(f"{used} of {ngpu} GPUs are used: {', and '.join(causes)}.")
    elif each < min(followers // used, followers if most is None else most):
        reasons.append(
            f"{_count(each + 1, 'follower')} per GPU would make {nproc + used} ranks; "
            "split half sets need an odd number."
        )
    return RankFit(nproc, threads, used, each, per_rank, memory_model, tuple(reasons))


def _one_process(
    ngpu: int,
    gpu_bytes: int | None,
    threads: int,
    refinement: RefinementModel | None,
    memory_model: MemoryModel,
    free_gpu_memory: float,
) -> RankFit:
    """One process without MPI: a full set of references on every GPU that its threads use."""
    used = max(1, min(ngpu, threads))
    on_each = -(-threads // used)
    per_rank, _, reasons = _memory(refinement, gpu_bytes, on_each, 1, memory_model, free_gpu_memory)
    spread = f"{_count(threads, 'thread')} on {used} of {_count(ngpu, 'GPU')}"
    reasons.append(f"One process without MPI, {spread}.")
    return RankFit(1, threads, used, 1, per_rank, memory_model, tuple(reasons))


def _spread(followers: int, ngpu: int, most: int | None, even: bool) -> tuple[int, int]:
    """GPUs to use and followers on each: as many GPUs as can be, then as many followers.

    ``most`` followers per GPU (None: no limit); ``even``: their total must be even.
    """
    for used in range(ngpu, 0, -1):
        each = followers // used if most is None else min(followers // used, most)
        if even and used * each % 2:
            each -= 1
        if each > 0:
            return used, each
    raise AssertionError(f"no spread of {followers} followers on {ngpu} GPUs")


def _memory(
    refinement: RefinementModel | None,
    gpu_bytes: int | None,
    threads: int,
    least: int,
    memory_model: MemoryModel,
    free_gpu_memory: float,
) -> tuple[int, int | None, list[str]]:
    """Bytes per rank, the most ranks per GPU (None: no limit) and why; at least ``least``."""
    if refinement is None:
        return 0, None, ["The job's GPU memory is not known, so it sets no limit."]
    if memory_model == "fmi":
        per_rank = gpu_memory.fmi_bytes_per_rank(refinement)
    else:
        per_rank = gpu_memory.bytes_per_rank(refinement, threads, free_gpu_memory)
    need = f"A rank needs {_gb(per_rank)} on its GPU by the {memory_model} model"
    need += f" ({_described(refinement, threads)})"
    if gpu_bytes is None:
        return per_rank, None, [f"{need}; the GPU's memory is not known and sets no limit."]
    if memory_model == "fmi":
        most = gpu_memory.fmi_ranks_per_gpu(refinement, gpu_bytes)
        if most >= least:
            return per_rank, most, [f"{need}; {most} fit into {_gb(gpu_bytes)}."]
        kept = f"{least} stay, as this model never goes lower"
        return per_rank, least, [f"{need}; {most} fit into {_gb(gpu_bytes)}, but {kept}."]
    usable = gpu_memory.usable_bytes(gpu_bytes)
    most = usable // per_rank
    room = f"{_gb(usable)} usable of {_gb(gpu_bytes)}"
    if most >= least:
        return per_rank, most, [f"{need}; {most} fit into {room}."]
    lowest = gpu_memory.least_bytes_per_rank(refinement, free_gpu_memory)
    if lowest * least <= usable:
        hope = f"RELION can make do with {_gb(lowest)} each, so {least} may run"
        return per_rank, least, [f"{need}; {most} fit into {room}, but {hope}."]
    asked = "This refinement does" if least == 1 else f"{least} followers, the least here, do"
    remedies = _remedies(refinement, usable // least, free_gpu_memory)
    card = lowest * least * 100 / gpu_memory.HARDWARE.usable_percent
    remedies.append(f"a GPU of at least {math.ceil(card / 1e8) / 10:.1f} GB")
    raise DoesNotFit(
        f"{asked} not fit on the GPU: a rank needs {_gb(lowest)} at the very least "
        f"({_described(refinement, threads)}), and there are {room}; "
        f"use {', or '.join(remedies)}."
    )


def _remedies(refinement: RefinementModel, room: int, free_gpu_memory: float) -> list[str]:
    """The single changes of the job that would bring a rank down to ``room`` bytes."""

    def fits(model: RefinementModel, free: float = free_gpu_memory) -> bool:
        return gpu_memory.least_bytes_per_rank(model, free) <= room

    remedies = []
    if refinement.padding > 1 and fits(replace(refinement, padding=1)):
        remedies.append("--pad 1")
    for classes in range(refinement.classes - 1, 0, -1):
        if fits(replace(refinement, classes=classes)):
            remedies.append(f"fewer classes (at most {classes})")
            break
    if free_gpu_memory and fits(refinement, free=0):
        remedies.append("a lower --free_gpu_memory")
    return remedies


def _described(refinement: RefinementModel, threads: int) -> str:
    """The model in words: 'box 256 pixels from X, padding 2, 1 class in 3D, 4 threads'."""
    shape = f"in {refinement.dimensions}D"
    if refinement.bodies > 1:
        shape = f"{refinement.bodies} bodies {shape}"
    else:
        shape = f"{_count(refinement.classes, 'class')} {shape}"
    vdam = ", VDAM" if refinement.gradient else ""
    box = f"box {refinement.box} pixels from {refinement.source}"
    return f"{box}, padding {refinement.padding:g}, {shape}{vdam}, {_count(threads, 'thread')}"


def _count(number: int, noun: str) -> str:
    """'1 class', '3 classes'."""
    plural = "es" if noun.endswith("s") else "s"
    return f"{number} {noun}{'' if number == 1 else plural}"


def _gb(size: int) -> str:
    """Bytes for people: 32212254720 -> '32.2 GB' (10^9 bytes)."""
    return f"{size / 1e9:.1f} GB"
