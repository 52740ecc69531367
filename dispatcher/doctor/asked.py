"""What is asked of one place: a partition, or this machine; and what the site says of it."""

from __future__ import annotations

from typing import NamedTuple

from ..config.site import Partition

__all__ = ["HERE", "Asked"]

HERE = "this machine"


class Asked(NamedTuple):
    """What checks compare facts with.

    Attributes:
        place: the partition's name, `HERE`, or the scheduler's name.
        is_partition: whether the place is a partition, which site.json can describe.
        shape: what site.json says of the partition's nodes.
        gpus: the probe's GPUs; 0 for none.
        gpu_title: whose GPUs the site has, in sentences; `has_tool`: a tool tells of them.
        mps: ranks share GPUs through NVIDIA's multi-process service.
        image: the image's name in sentences, "" for none; `no_image` says why there is none.
        gpu_image: the image was built for the GPUs.
        nodes: on how many nodes jobs of the place run at most.
        scheduler: its name; `own_warning`: how many seconds before a time limit scripts stop their
            job themselves, 0 if the scheduler warns.
    """

    place: str
    is_partition: bool = True
    shape: Partition = Partition()
    gpus: int = 0
    gpu_title: str = "NVIDIA"
    has_tool: bool = True
    mps: bool = False
    image: str = ""
    no_image: str = ""
    gpu_image: bool = False
    nodes: int = 1
    scheduler: str = ""
    own_warning: int = 0

    @property
    def key(self) -> str:
        """Where site.json describes the place."""
        return f'"partitions.{self.place}" in site.json'
