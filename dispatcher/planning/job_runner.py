"""A job of the CCP-EM Pipeliner: ranks, threads and GPUs as its window says, or not at all.

The Pipeliner's job runner reads the numbers from ``job.star`` and starts the programs by itself,
with its own launcher (PipelinerJob.get_mpi_command in pipeliner/pipeliner_job.py, 1.6.1). That file
stays as it is, so what the scheduler is asked for must not be less.
"""

from __future__ import annotations

from ..errors import DoesNotFit
from ..ranks.layouts import WantedRanks
from ..relion.asked_gpus import ALL, asked_gpus, devices_listed
from ..units import count
from .node_shape import NodeShape
from .pipeliners_window import as_parameters
from .resources import Resources
from .unplaced_job import UnplacedJob

__all__ = ["as_it_says"]

# Of these jobs of RELION the first rank hands out work, and uses no GPU.
_IDLE_LEADER = ("relion.class2d", "relion.class3d", "relion.initialmodel", "relion.multibody",
                "relion.refine3d")  # fmt: skip


def as_it_says(job: UnplacedJob, wanted: WantedRanks, node: NodeShape) -> Resources:
    """What the job's own file says; `wanted` has its ranks, threads and nodes.

    Raises:
        DoesNotFit: the partition has too few cores or GPUs.
    """
    ranks, threads = wanted.nproc, wanted.nthread
    nodes = wanted.nodes if ranks > 1 else 1
    needed = -(-ranks // nodes) * threads
    each = f"{count(ranks, 'rank')} x {count(threads, 'thread')}"
    # On this machine no scheduler counts the cores, and programs may take turns on them.
    if node.shape.cores and needed > node.shape.cores and not node.is_this_machine:
        raise DoesNotFit(
            f"The job asks for {each}, which takes {count(needed, 'core')} of a node, but "
            f"{node.name} has {node.shape.cores}: choose fewer ranks or threads "
            f"{_in_the_window(node)}"
        )
    ngpu, reasons, warnings = _gpus(job, _ranks_on_gpus(job.request.label, needed // threads), node)
    reasons = (f"{each}, as the Pipeliner's window says: its job runner starts them.", *reasons)
    return Resources(
        ranks, threads, ngpu, nodes, None, reasons, warnings, program_starts_ranks=True
    )


def _in_the_window(node: NodeShape) -> str:
    """Where the user can change what the job asks for, or where the job runs."""
    elsewhere = node.elsewhere("another {}")
    return f"in the Pipeliner's window, or {elsewhere}, and submit the job again."


def _ranks_on_gpus(label: str | None, ranks: int) -> int:
    leader = ranks > 1 and (label or "").startswith(_IDLE_LEADER)
    return ranks - 1 if leader else ranks


def _gpus(
    job: UnplacedJob, ranks: int, node: NodeShape
) -> tuple[int, tuple[str, ...], tuple[str, ...]]:
    """The GPUs of each node, why so many, and a warning.

    A device that is named must be there: the job's GPUs count from 0. If none is named, each of the
    `ranks` may have one.

    Raises:
        DoesNotFit: the nodes have too few.
    """
    said = as_parameters(job.request.options)
    asked, has = asked_gpus(said), node.shape.gpus
    typed = job.wishes.parameters.get("ngpu")
    if asked is None or asked.number == 0:
        left_out = "The GPUs typed in the window are left out, because the job asks for none."
        return 0, (), (left_out,) if typed else ()
    text = asked.text.removeprefix("--").replace("=", " ").strip()
    if has == 0 and node.is_this_machine:
        return 0, (), (f"The job asks for GPUs ({text}), but {node.name} has none.",)
    devices = devices_listed(said)
    if devices:
        wanted = max(devices) + 1
    elif typed:
        wanted = int(typed)
    elif asked.number == ALL:
        wanted = has or 1
    elif asked.number > 1:
        wanted = asked.number
    else:
        wanted = 1 if has is None else min(ranks, has or ranks)
    if has is not None and wanted > has:
        how = f"{text}; a job's GPUs count from 0" if devices else text
        raise DoesNotFit(
            f"The job asks for {count(wanted, 'GPU')} ({how}), but {node.name} has "
            f"{count(has, 'GPU') if has else 'none'}: ask for other GPUs, or none, "
            f"{_in_the_window(node)}"
        )
    idle = wanted - len(devices) if devices else 0
    warning = (
        f"{count(idle, 'GPU')} of the job will be idle, because a job's GPUs count from 0 and the "
        f"job names others ({text}): name GPUs from 0 on in the Pipeliner's window."
    )
    why = f"{count(wanted, 'GPU')}: the job asks for GPUs ({text})."
    return wanted, (why,), (warning,) if idle else ()
