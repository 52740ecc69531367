"""Measuring the constants of a node's GPU, and writing them to the site's ``site.json``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, NamedTuple

from ..config import json_edit
from ..config.places import site_folder
from ..config.site import checked_site, load_site
from ..errors import GpuError
from .cuda_driver import LIBRARY
from .measurement import KERNELS, measure
from .mps_daemon import PROGRAM, mps_daemon

__all__ = ["Calibration", "calibrate", "write"]

KEY = "gpu_constants"


class Calibration(NamedTuple):
    """What was measured: the card's name, its constants, and what could not be measured."""

    card: str
    constants: dict[str, Any]
    left_out: list[str]


def calibrate(device: int, library: str = LIBRARY, mps_program: str = PROGRAM) -> Calibration:
    """Measure the GPU with the index ``device`` on this node.

    Not measured, and as they were: the pool's floor, Blush, and what drivers keep for themselves.

    Raises:
        GpuError: there is no NVIDIA driver or GPU here, it is in use, or a measurement fails.
    """
    first = measure("context", device, library)
    constants = {"context": _rounded(first["context"] + KERNELS)}
    left_out = []
    try:
        with mps_daemon(mps_program) as folders:
            found = measure("context", device, library, folders)
            constants["context_mps"] = _rounded(found["context"] + KERNELS)
    except GpuError as error:
        left_out.append(f"context_mps: {error}")
    constants |= measure("textures", device, library)
    constants |= measure("buffers", device, library)
    return Calibration(first["name"], constants, left_out)


def _rounded(size: int) -> int:
    """Up to whole megabytes of 10^6 bytes."""
    return -(-size // 1_000_000) * 1_000_000


def write(constants: dict[str, Any], larger: bool = False) -> list[str]:
    """Put the constants into the site's ``site.json``; a sentence for each that changes.

    Order and comments of the file stay. ``larger``: keep what the file has where that is larger,
    for a site with several kinds of cards.

    Raises:
        ConfigError: the file does not load, or would not afterwards.
        WriteError: this user may not write it.
    """
    path = site_folder() / "site.json"
    json_edit.check_folder(path, "site's configuration")
    shipped = asdict(load_site().gpu_constants)
    changes = []
    with json_edit.edit(
        path,
        "site's configuration",
        load=lambda _: load_site(),
        check=lambda content: checked_site(content, path),
    ) as content:
        section = content.setdefault(KEY, {})
        for name, measured in constants.items():
            value = list(measured) if isinstance(measured, tuple | list) else measured
            before = section.get(name)
            if larger and before is not None:
                both = isinstance(before, list) and isinstance(value, list)
                value = (
                    [max(p) for p in zip(before, value, strict=True)]
                    if both
                    else max(before, value)
                )
            if value == before:
                continue
            was = shipped[name] if before is None else before
            was = list(was) if isinstance(was, tuple) else was
            changes.append(
                f"{name}: {value} (was {was}{'' if before is not None else ', as shipped'})"
            )
            section[name] = value
    return changes
