"""What differs between makers of GPUs: one table, an entry for each.

docs/gpu.md says where each value is from. RELION's own option is the same for all: ``--gpu``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

__all__ = ["USUAL_VENDOR", "VENDORS", "GpuChoice", "GpuName", "GpuVendor", "let_through_by"]


class GpuVendor(NamedTuple):
    """A maker of GPUs, and how its cards are used.

    Attributes:
        name: in images.json, in labels of images and in job scripts.
        title: in sentences.
        options: of ``apptainer exec``; each lets the cards into a container.
        variables: name the cards that a job may use, or tell the driver how to; they are passed
            into the container. The first is the one that schedulers set.
        lists: those of the variables that list cards, so that a job has no more than are listed.
        settings: variables that each job gets with these values, in its container and outside.
        build: the word by which ``relion_refine --version`` tells that RELION was built for them.
        variant: of an image with such a RELION, unless its admin chooses another name.
        device: is there on a machine with such cards.
        cards: the folder in which the driver has an entry for each card; None if no folder tells.
        memory_tool: prints the cards' memory on a node; None if job scripts ask no tool.
        mps_clients: the processes that share a card through the vendor's multi-process service, at
            most; None if the vendor has no such service.
        parts: whether a card can be used in parts (MIG), whose names tell their memory ("1g.10gb").
        one_pool: RELION's build takes what is free on a card in one piece.
    """

    name: str
    title: str
    options: tuple[str, ...]
    variables: tuple[str, ...]
    build: str
    variant: str
    device: Path
    lists: tuple[str, ...] = ()
    settings: Mapping[str, str] = {}
    cards: Path | None = None
    memory_tool: str | None = None
    mps_clients: int | None = None
    parts: bool = False
    one_pool: bool = True

    @property
    def mps(self) -> bool:
        """Whether ranks that share a card can do so through a multi-process service."""
        return self.mps_clients is not None


_TABLE = (
    GpuVendor(
        name="nvidia",
        title="NVIDIA",
        options=("--nv", "--nvccli"),
        variables=("CUDA_VISIBLE_DEVICES",),
        build="CUDA",
        variant="cuda",
        device=Path("/dev/nvidiactl"),
        lists=("CUDA_VISIBLE_DEVICES",),
        # Else CUDA counts the cards by their speed, and nvidia-smi and schedulers by their place.
        settings={"CUDA_DEVICE_ORDER": "PCI_BUS_ID"},
        cards=Path("/proc/driver/nvidia/gpus"),
        memory_tool="nvidia-smi",
        mps_clients=48,  # of each server on each card, up to CUDA 13.0; later 60 (docs/mps.md)
        parts=True,
    ),
    GpuVendor(
        name="amd",
        title="AMD",
        options=("--rocm",),
        variables=("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"),
        build="HIP",
        variant="rocm",
        device=Path("/dev/kfd"),
        lists=("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"),
    ),
    GpuVendor(
        name="intel",
        title="Intel",
        options=("--bind=/dev/dri",),
        variables=("ZE_AFFINITY_MASK", "ONEAPI_DEVICE_SELECTOR", "ZEX_NUMBER_OF_CCS"),
        build="SYCL",
        variant="sycl",
        device=Path("/dev/dri"),
        one_pool=False,
    ),
)

VENDORS = {vendor.name: vendor for vendor in _TABLE}
USUAL_VENDOR = _TABLE[0]  # where nothing tells

if TYPE_CHECKING:
    GpuName = str
    GpuChoice = str
else:
    GpuName = Literal[tuple(VENDORS)]
    GpuChoice = Literal[(*VENDORS, "none")]


def let_through_by(option: str) -> GpuVendor:
    """Whose cards an option of ``apptainer exec`` lets through; the usual vendor's for any other.

    >>> let_through_by("--rocm").title
    'AMD'
    """
    for vendor in VENDORS.values():
        if any(own in option for own in vendor.options):
            return vendor
    return USUAL_VENDOR
