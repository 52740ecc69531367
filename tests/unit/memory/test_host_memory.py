"""Host memory of a refinement, against numbers worked out by hand from RELION's arithmetic.

With box 256 and padding 2 a transform has P = 2 * (round(2 * 128) + 1) + 1 = 515 and
V = 515 * 515 * 258 = 68_428_050 values; with padding 1 P = 259 and V = 259 * 259 * 130 = 8_720_530.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from dispatcher.memory.host_memory import Node, Particles, host_memory
from dispatcher.memory.refinement import Refinement

V_PAD_2 = 68_428_050
V_PAD_1 = 8_720_530
VOXELS = 256**3

REFINE = Refinement(box=256, source="particles.star", auto_refine=True)
CLASSES = Refinement(box=256, source="particles.star", classes=4)


def test_a_refinement_of_nine_ranks() -> None:
    need = host_memory(REFINE, 9)

    assert (need.followers, need.per_follower) == (8, 500_000_000 + 40 * V_PAD_2)
    assert (need.reconstructions, need.per_reconstruction) == (2, 72 * V_PAD_2)
    assert need.references == 9 * 8 * VOXELS
    assert need.total == (
        4_000_000_000
        + 8 * (500_000_000 + 40 * V_PAD_2)
        + 2 * 72 * V_PAD_2
        + 9 * 8 * VOXELS
    )  # fmt: skip
    assert need.total == 40_958_574_752


@pytest.mark.parametrize(("ranks", "reconstructions"), [(2, 1), (4, 3), (5, 4), (9, 4)])
def test_classes_are_reconstructed_at_once_as_far_as_there_are_followers(
    ranks: int, reconstructions: int
) -> None:
    need = host_memory(CLASSES, ranks)

    assert need.reconstructions == reconstructions
    assert need.per_follower == 500_000_000 + 40 * 4 * V_PAD_2
    assert need.references == ranks * 4 * 8 * VOXELS


def test_vdam_has_two_backprojectors_and_momenta_in_one_process() -> None:
    need = host_memory(replace(CLASSES, padding=1, gradient=True), 1, leader=False)

    assert (need.followers, need.reconstructions) == (1, 1)
    assert need.per_follower == 500_000_000 + 4 * (16 + 48 + 48) * V_PAD_1


def test_gradients_of_split_halves_have_a_backprojector_and_two_momenta_per_class() -> None:
    need = host_memory(replace(CLASSES, padding=1, split_gradient=True), 5)

    assert need.per_follower == 500_000_000 + 4 * (16 + 32 + 24) * V_PAD_1


def test_asymmetric_padding_is_that_of_what_is_summed_up_and_reconstructed() -> None:
    need = host_memory(replace(REFINE, padding=1, asymmetric_padding=True), 5)

    assert need.per_follower == 500_000_000 + 16 * V_PAD_1 + 24 * V_PAD_2
    assert need.per_reconstruction == 72 * V_PAD_2


def test_bodies_have_a_projector_for_each_overlap_and_two_halves_each() -> None:
    need = host_memory(replace(REFINE, bodies=3, body_overlaps=6), 9)

    assert need.per_follower == 500_000_000 + (16 * 9 + 24 * 3) * V_PAD_2
    assert need.reconstructions == 6


def test_classes_in_2d_are_small() -> None:
    need = host_memory(replace(CLASSES, classes=100, dimensions=2), 13)

    assert need.per_follower == 500_000_000 + 40 * 100 * 515 * 258
    assert need.references == 13 * 100 * 8 * 256**2


def test_metadata_is_in_every_rank() -> None:
    assert host_memory(REFINE, 9, Particles(1_000_000)).metadata == 9_000_000_000


@pytest.mark.parametrize(("preread", "copies"), [("none", 0), ("every rank", 9), ("leader", 1)])
def test_particles_read_in_beforehand(preread: str, copies: int) -> None:
    particles = Particles(100_000, preread)  # type: ignore[arg-type]

    assert host_memory(REFINE, 9, particles).preread == copies * 100_000 * 4 * 256**2


def test_of_several_optics_groups_the_largest_box_counts() -> None:
    model = replace(REFINE, box=128, image_box=512)

    assert host_memory(model, 3, Particles(10, "leader")).preread == 10 * 4 * 512**2


def test_subtomograms_read_in_beforehand_have_three_dimensions() -> None:
    model = replace(REFINE, box=64, data_dimensions=3)

    assert host_memory(model, 3, Particles(10, "leader")).preread == 10 * 4 * 64**3


def test_a_node_holds_what_it_needs_and_no_byte_less() -> None:
    need = host_memory(REFINE, 9).total

    assert Node(need, REFINE).holds(9)
    assert not Node(need - 1, REFINE).holds(9)
    assert Node(None, REFINE).holds(99)
    assert Node(1, None).holds(99)


def test_a_refusal_has_the_numbers_and_what_would_help() -> None:
    node = Node(16_000_000_000, REFINE, Particles(200_000, "every rank"))

    assert str(node.refusal(3)) == (
        "This refinement does not fit into a node's host memory: the refinement needs at least 3 "
        "ranks and 166.3 GiB for the ranks (3.7 GiB in any case, 2 followers with 3.0 GiB, 2 "
        "reconstructions of 4.6 GiB, 0.4 GiB of references, 0.6 GiB of metadata, 146.5 GiB of "
        "particles that are read at the start (--preread_images)), but a node has 14.9 GiB; use "
        "nodes of at least 167 GiB."
    )
    small = node._replace(memory=25_000_000_000)
    assert "use no --preread_images, or nodes of" in str(small.refusal(3))


@pytest.mark.parametrize(
    ("model", "memory", "offered"),
    [
        (REFINE, 10_000_000_000, "use --pad 1, or nodes of"),
        (CLASSES, 28_000_000_000, "use --pad 1, or fewer classes (at most 2), or nodes of"),
    ],
)
def test_only_what_would_help_is_offered(model: Refinement, memory: int, offered: str) -> None:
    node = Node(memory, model)
    assert not node.holds(3)
    assert offered in str(node.refusal(3))
