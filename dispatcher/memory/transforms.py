"""The size of a reference's padded Fourier transform, in RELION's own arithmetic.

A projector holds the reference, a backprojector what is summed up for the next one. Lines are of
RELION 5.0.1; 3.1.4 and 4.0.2 do the same. RELION's padding factors are of single precision.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .refinement import Refinement

__all__ = ["backprojector_side", "projector_side", "values"]


def values(side: int, dimensions: int) -> int:
    """Values in a half-complex transform of this side in pixels, per real component (V).

    ``P * P * (P/2 + 1)`` in 3D and ``P * (P/2 + 1)`` in 2D (``Projector::initialiseData``,
    projector.cpp:72).
    """
    return (side if dimensions == 3 else 1) * side * (side // 2 + 1)


def projector_side(refinement: Refinement) -> int:
    """Side in pixels of a projector's transform.

    The padded box is rounded to an even number, and the padding factor is computed from it again
    (``Projector::computeFourierTransformMap``, projector.cpp:130-134); that matters if the factor
    is no whole number, by 3.3 % at most.
    """
    padded = _round(_single(_single(refinement.padding) * refinement.box))
    padded += padded % 2
    return _side(refinement, _single(padded / refinement.box))


def backprojector_side(refinement: Refinement) -> int:
    """Side in pixels of a backprojector's transform.

    Its padding is as given, and larger by 1 with ``--asymmetric_padding``
    (``MlWsumModel::initialise``, ml_model.cpp:1738).
    """
    more = 1 if refinement.asymmetric_padding else 0
    return _side(refinement, _single(_single(refinement.padding) + more))


def _side(refinement: Refinement, padding: float) -> int:
    """P: ``r = min(current_size, box) / 2`` in integers, ``P = 2 * (round(padding * r) + 1) + 1``
    (``Projector::initialiseData``, projector.cpp:59)."""
    radius = min(refinement.current_size or refinement.box, refinement.box) // 2
    return 2 * (_round(_single(padding * radius)) + 1) + 1


def _round(positive: float) -> int:
    """RELION's ROUND (macros.h:197)."""
    return math.floor(positive + 0.5)


def _single(number: float) -> float:
    """The nearest number of single precision."""
    (nearest,) = struct.unpack("f", struct.pack("f", number))
    return float(nearest)
