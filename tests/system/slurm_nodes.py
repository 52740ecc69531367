"""What an ordinary user cannot do to a node of a test cluster, but slurm_cluster.sh's operator."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from ..waiting import wait_for

__all__ = ["ask_operator", "return_node", "state_of_node"]


def ask_operator(request: str) -> None:
    """Ask the operator of the cluster of SLURM_CONF: ``lose gpu1``, for example."""
    fifo = Path(os.environ["SLURM_CONF"]).parent / "run" / "operator"
    descriptor = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)  # or fail: somebody must be reading
    os.write(descriptor, f"{request}\n".encode())
    os.close(descriptor)


def return_node(node: str) -> None:
    """Have a node that was lost, or silenced, take jobs again."""
    ask_operator(f"return {node}")
    wait_for(lambda: state_of_node(node) in ("IDLE", "MIXED"), 60, f"the return of {node}")


def state_of_node(node: str) -> str:
    """As Slurm calls it: ``IDLE``, ``DOWN*+NOT_RESPONDING``."""
    shown = subprocess.check_output(["scontrol", "show", "node", node], text=True)
    found = re.search(r"State=(\S+)", shown)
    assert found, shown
    return found[1]
