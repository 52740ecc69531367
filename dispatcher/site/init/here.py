"""The site.json of a machine without a scheduler."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

from ...config.gpu_vendors import USUAL_VENDOR, VENDORS
from ...config.json_edit import COMMENT
from ...host.programs import run
from ...units import count
from .content import NewSite

__all__ = ["of_this_machine"]

_ASK = ("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits")
_PLACE = "here"


def of_this_machine(asked: Callable[[], str | None] | None = None) -> NewSite:
    """The site of this machine alone: its GPUs' memory; all else is asked when a job is planned."""
    said = (asked or _nvidia_smi)() or ""
    cards = [
        (name, int(size)) for name, size in re.findall(r"^(.+), *(\d+)\s*$", said, re.MULTILINE)
    ]
    content: dict[str, object] = {
        COMMENT: (
            "Written by `relion-dispatch site init`. No scheduler answered: jobs run on this "
            "machine, one at a time, with the cores, memory and GPUs that it has when a job is "
            "planned."
        ),
        "scheduler": "local",
    }
    unknown = []
    others = [
        each for each in VENDORS.values() if each is not USUAL_VENDOR and each.device.exists()
    ]
    if cards:
        content["partitions"] = {_PLACE: _described(cards)}
        content["job_parameters"] = {"submit": {"partition": _PLACE}}
    elif others and not USUAL_VENDOR.device.exists():
        vendor = others[0]
        content["apptainer"] = {
            COMMENT: f"A guess: this machine has {vendor.device}, as with GPUs of {vendor.title}.",
            "gpu_option": vendor.options[0],
        }
        unknown.append(
            f"How many GPUs of {vendor.title} there are, and their memory: describe this machine "
            'as a partition with "gpus" and "gpu_memory" (docs/site.md).'
        )
    else:
        unknown.append("Whether there are GPUs: nvidia-smi shows none, so jobs run on CPUs.")
    return NewSite(content, tuple(unknown))


def _described(cards: list[tuple[str, int]]) -> dict[str, object]:
    least = min(size for _, size in cards)
    named = ", ".join(sorted({name for name, _ in cards}))
    found: dict[str, object] = {"gpu_memory": f"{least}M"}
    if len({size for _, size in cards}) > 1:
        differ = f"Its {count(len(cards), 'GPU')} differ ({named}): the least memory counts."
        found = {COMMENT: differ, **found}
    return found


def _nvidia_smi() -> str | None:
    try:
        done = run(_ASK, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.status == 0 else None
