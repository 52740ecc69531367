"""How many bytes of host memory (RAM) the ranks of a refinement take on the fullest node.

From RELION's source, double precision, 3.1 to 5.0: the estimates that it prints for its expectation
and maximization step (ml_optimiser.cpp:4085 and 4110, 5.0.1), the references, the particles'
metadata, and particles that are read at the start (``--preread_images``).
Pure arithmetic: pixels and counts in, bytes out; no file is read.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal, NamedTuple

from ..errors import DoesNotFit
from ..units import count, gibibytes
from .largest_number import largest
from .refinement import Refinement
from .transforms import backprojector_side, projector_side, values

__all__ = ["HostMemory", "Node", "Particles", "host_memory"]

BASE = 4_000_000_000  # the launcher, the container, file buffers: an estimate
PER_FOLLOWER = 500_000_000  # program, MPI and CUDA on the host's side: an estimate
METADATA_PER_PARTICLE = 1_000  # in every rank: an estimate

PROJECTOR = 16  # bytes per value: complex, double precision
BACKPROJECTOR = 24  # complex and a weight
MOMENTUM = 16  # complex; VDAM's first (of each pseudo half set) and second, ml_model.cpp:96
RECONSTRUCTION = 72  # RELION's own estimate of the maximization step
# Of a particle in a thread's hands, per pixel: its transform with and without mask (2 x 8), CTF and
# multiplicity (2 x 4), and three real images: an estimate. Small for single images in 2D.
PARTICLE = 48


class Particles(NamedTuple):
    """The particles of a refinement: how many (0: not known), and which ranks read them all in
    beforehand (``--preread_images``): none, every one, or the leader alone."""

    number: int = 0
    preread: Literal["none", "every rank", "leader"] = "none"


_UNKNOWN = Particles()


class HostMemory(NamedTuple):
    """Bytes on the fullest node, by what takes them. ``reconstructions`` are made at once."""

    followers: int
    per_follower: int
    reconstructions: int
    per_reconstruction: int
    references: int
    metadata: int
    preread: int

    @property
    def total(self) -> int:
        """All of it, with what the job takes in any case."""
        held = self.followers * self.per_follower + self.reconstructions * self.per_reconstruction
        return BASE + held + self.references + self.metadata + self.preread

    def described(self) -> str:
        """'3.7 GiB in any case, 8 followers with 3.1 GiB, 2 reconstructions of 4.6 GiB'."""
        followers = count(self.followers, "follower") if self.followers > 1 else "the process"
        parts = [
            f"{gibibytes(BASE)} in any case",
            f"{followers} with {gibibytes(self.per_follower)}",
            f"{count(self.reconstructions, 'reconstruction')} of "
            f"{gibibytes(self.per_reconstruction)}",
        ]
        for size, what in (
            (self.references, "references"),
            (self.metadata, "metadata"),
            (self.preread, "particles that are read at the start (--preread_images)"),
        ):
            if size >= 50_000_000:
                parts.append(f"{gibibytes(size)} of {what}")
        return ", ".join(parts)


def host_memory(
    refinement: Refinement,
    ranks: int,
    particles: Particles = _UNKNOWN,
    leader: bool = True,
    threads: int = 1,
) -> HostMemory:
    """What ``ranks`` ranks of one node take there, the leader among them if there is one.

    With V values in a padded transform: 40 V per class in the expectation step of each follower
    (projector and backprojector), 72 V for each reconstruction that is made at the same time (each
    class, body and half set has one, in a follower of its own), 8 N^3 per class and rank for the
    references. VDAM holds two backprojectors per class, and momenta. Each of a follower's
    ``threads`` threads has a particle in its hands, which counts if it is a subtomogram.
    """
    followers = max(1, ranks - leader)
    projector = values(projector_side(refinement), refinement.dimensions)
    backprojector = values(backprojector_side(refinement), refinement.dimensions)
    objects = refinement.classes * refinement.bodies
    backprojectors = objects * (2 if refinement.gradient else 1)
    momenta = 3 if refinement.gradient else 2 if refinement.split_gradient else 0
    projected = PROJECTOR * (objects + refinement.body_overlaps) + MOMENTUM * momenta * objects
    held = projected * projector + BACKPROJECTOR * backprojectors * backprojector
    if refinement.subtomograms:
        held += PARTICLE * refinement.pixels * threads
    halves = 2 if refinement.auto_refine or refinement.bodies > 1 else 1
    voxels: int = refinement.box**refinement.dimensions
    image = 4 * refinement.pixels  # single precision, whatever the stack has
    reading = {"none": 0, "every rank": ranks, "leader": 1}[particles.preread]
    return HostMemory(
        followers=followers,
        per_follower=PER_FOLLOWER + held,
        reconstructions=min(followers, halves * objects),
        per_reconstruction=RECONSTRUCTION * backprojector,
        references=8 * voxels * objects * ranks,
        metadata=METADATA_PER_PARTICLE * particles.number * ranks,
        preread=image * particles.number * reading,
    )


class Node(NamedTuple):
    """A node, and the refinement to run there; None for what is not known.

    Attributes:
        memory: bytes of host memory.
        leader: one of several ranks is a leader, which holds no references in the making.
        cores: that the node has.
        gpus: that the node has.
        asked_for: somebody has chosen that `memory`, of which the node may have more.
        threads: the most that a rank has.
        is_this_machine: its file buffers are not counted against the least that RELION needs.
    """

    memory: int | None = None
    refinement: Refinement | None = None
    particles: Particles = _UNKNOWN
    leader: bool = True
    cores: int | None = None
    threads: int = 1
    is_this_machine: bool = False
    gpus: int | None = None
    asked_for: bool = False

    def cores_beside(self, gpus: int) -> int | None:
        """The cores of a job that takes so many of the GPUs: the same part of them."""
        if not self.cores or not self.gpus or not 0 < gpus < self.gpus:
            return self.cores
        return max(1, self.cores * gpus // self.gpus)

    @property
    def name(self) -> str:
        """In sentences."""
        return "this machine" if self.is_this_machine else "a node"

    @property
    def has_memory(self) -> str:
        """'a node has 64.0 GiB'; "" if that is not known."""
        if self.memory is None:
            return ""
        who = "RELION's window asks for" if self.asked_for else f"{self.name} has"
        return f"{who} {gibibytes(self.memory)}"

    def needed(self, ranks: int) -> HostMemory | None:
        """What that many ranks on it take; None if not known."""
        if self.refinement is None:
            return None
        leader = self.leader and ranks > 1
        return host_memory(self.refinement, ranks, self.particles, leader, self.threads)

    def holds(self, ranks: int, least: bool = False) -> bool:
        """Whether that many ranks fit, as far as is known; `least`: RELION takes no fewer."""
        need = self.needed(ranks)
        if need is None or self.memory is None:
            return True
        spared = BASE if least and self.is_this_machine else 0
        return need.total - spared <= self.memory

    def refusal(self, ranks: int) -> DoesNotFit:
        """The sentence for a node that does not hold ``ranks`` ranks: numbers, and what helps."""
        need = self.needed(ranks)
        assert need is not None and self.memory is not None
        remedies = [*self._remedies(ranks)]
        machines = "a machine" if self.is_this_machine else "nodes"
        least = math.ceil(need.total / 2**30)
        remedies.append(
            f"at least {least} GiB there"
            if self.asked_for
            else f"{machines} of at least {least} GiB"
        )
        return DoesNotFit(
            f"This refinement does not fit into {self.name}'s host memory: the refinement needs "
            f"at least {count(ranks, 'rank')} and {gibibytes(need.total)} for the ranks "
            f"({need.described()}), but {self.has_memory}; use "
            f"{', or '.join(remedies)}."
        )

    def _remedies(self, ranks: int) -> list[str]:
        refinement = self.refinement
        assert refinement is not None
        remedies = []
        if self.particles.preread != "none":
            without = self.particles._replace(preread="none")
            if self._replace(particles=without).holds(ranks):
                remedies.append("no --preread_images")
        thin = replace(refinement, padding=1)
        if refinement.padding > 1 and self._replace(refinement=thin).holds(ranks):
            remedies.append("--pad 1")

        def fits(classes: int) -> bool:
            return self._replace(refinement=replace(refinement, classes=classes)).holds(ranks)

        if classes := largest(fits, refinement.classes - 1):
            remedies.append(f"fewer classes (at most {classes})")
        return remedies
