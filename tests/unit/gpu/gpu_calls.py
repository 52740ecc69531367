"""The type of calls of ``relion-dispatch gpu``, and a command line that many size."""

from __future__ import annotations

from collections.abc import Callable

Run = Callable[..., str]
REFINE3D = "relion_refine --auto_refine --ref map.mrc --pad 2 --zero_mask --offset_range 5"
