"""Do two ranks find each other, in a container on one node, and on two nodes?"""

from __future__ import annotations

from collections.abc import Iterator

from ..asked import Asked
from ..facts import Facts
from ..finding import Finding, failure, not_so_far, ok, skipped
from .container import NO_MORE_STARTS

__all__ = ["on_nodes", "on_one_node"]


def on_one_node(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Does RELION in the container count two ranks?"""
    if not asked.image or facts["start_status"] not in ("", "0"):
        yield skipped("No container starts, in which mpirun could start ranks.")
        return
    if "no_more_starts" in facts:
        yield skipped(NO_MORE_STARTS)
        return
    if "ranks_said" not in facts:
        yield not_so_far()
        return
    yield _counted(
        facts,
        "ranks",
        f"mpirun in {asked.image}",
        "set `mpi.mpirun` in site.json to what starts the image's own MPI; `relion-dispatch images "
        "verify` tests the image by itself",
    )


def on_nodes(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Does RELION count two ranks that run on two nodes?"""
    yield _counted(
        facts,
        "ranks_on_nodes",
        f'the launcher of "{asked.scheduler}"',
        "the scheduler's launcher and the image's MPI need the same PMI, which is PMIx for Open "
        'MPI: install PMIx beside the scheduler, set the launcher in site.json ("mpi"), or set '
        '"nodes" of the job types to 1',
    )


def _counted(facts: Facts, name: str, who: str, way_out: str) -> Finding:
    sizes, said = facts[name].split(), facts[f"{name}_said"]
    if sizes == ["2"]:
        return ok(f"RELION counts two ranks, started by {who}.")
    if sizes and set(sizes) == {"1"}:
        return failure(
            f"Ranks that {who} starts on {facts['host']} do not find each other, each is one of "
            f"one: {way_out}."
        )
    return failure(f'{who[:1].upper()}{who[1:]} starts no two ranks ("{said}"): {way_out}.')
