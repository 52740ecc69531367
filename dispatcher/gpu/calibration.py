"""Measure the constants of a node's GPU, and write them to the site's ``site.json``."""

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
    """The card's name, its measured constants, and a sentence for each that was not measured."""

    card: str
    constants: dict[str, Any]
    left_out: list[str]


def calibrate(device: int, library: str = LIBRARY, mps_program: str = PROGRAM) -> Calibration:
    """Measure the GPU with the index ``device`` on this node.

    The pool's floor, Blush and the driver's own memory are not measured: they stay as they are.

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
    """``size`` rounded up to whole megabytes of 10^6 bytes."""
    return -(-size // 1_000_000) * 1_000_000


def write(constants: dict[str, Any], larger: bool = False) -> list[str]:
    """Put the constants into the site's ``site.json``; a sentence for each that changes.

    Order and comments of the file stay. ``larger``: a value of the file that is larger than the
    measured one stays, for a site with several kinds of cards.

    Raises:
        ConfigError: the file is wrong, or would be wrong afterwards.
        WriteError: this user may not write the file.
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
            value = _as_json(measured)
            before = section.get(name)
            if larger and before is not None:
                value = _larger(before, value)
            if value == before:
                continue
            was = f"{_as_json(shipped[name])}, as shipped" if before is None else before
            changes.append(f"{name}: {value} (was {was})")
            section[name] = value
    return changes


def _as_json(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _larger(one: Any, other: Any) -> Any:
    """The larger of two numbers, or of two lists the larger number at each place."""
    if isinstance(one, list):
        return [max(pair) for pair in zip(one, other, strict=True)]
    return max(one, other)
