"""Sides of transforms are RELION's; expected values are worked out by hand."""

from __future__ import annotations

import pytest

from dispatcher.memory.refinement import Refinement
from dispatcher.memory.transforms import backprojector_side, projector_side, values


def refinement(box: int, padding: float, current_size: int = 0, **changes: bool) -> Refinement:
    return Refinement(box, "", padding=padding, current_size=current_size, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("box", "pad", "dimensions", "size"),
    [
        (128, 2, 3, 259 * 259 * 130),
        (256, 2, 3, 515 * 515 * 258),
        (256, 1, 3, 259 * 259 * 130),
        (400, 2, 3, 803 * 803 * 402),
        (800, 2, 3, 1603 * 1603 * 802),
        (256, 2, 2, 515 * 258),
        (255, 2, 3, 511 * 511 * 256),  # 255 / 2 = 127, then 2 * (254 + 1) + 1
        (100, 1.5, 3, 153 * 153 * 77),
    ],
)
def test_transform_has_the_size_of_projector_initialise_data(
    box: int, pad: float, dimensions: int, size: int
) -> None:
    for current_size in (0, box):
        model = refinement(box, pad, current_size)
        assert values(projector_side(model), dimensions) == size
        assert values(backprojector_side(model), dimensions) == size


def test_current_size_shrinks_the_transform_and_never_exceeds_the_box() -> None:
    assert projector_side(refinement(256, 2, 128)) == 259
    assert projector_side(refinement(256, 2, 512)) == 515


def test_a_projector_computes_a_fractional_padding_again() -> None:
    # 1.25 * 101 = 126.25 is 126 in whole pixels: 126 / 101 * 50 = 62.4, and 2 * (62 + 1) + 1.
    # A backprojector has 1.25 * 50 = 62.5, which is rounded up.
    model = refinement(101, 1.25)
    assert (projector_side(model), backprojector_side(model)) == (127, 129)


def test_asymmetric_padding_makes_backprojectors_larger_alone() -> None:
    model = refinement(256, 2, asymmetric_padding=True)
    assert (projector_side(model), backprojector_side(model)) == (515, 2 * (3 * 128 + 1) + 1)
