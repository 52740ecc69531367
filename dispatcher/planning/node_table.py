"""What runs on as many GPUs as the nodes show, and as large ones: lines that a job script looks up.

The plan is the most: a node with more or larger GPUs changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..relion.programs import lookup
from .devices import gpu_devices, gpus_named
from .gpu_fit import GpuFit
from .layouts import Layout, RankRules, WantedRanks, layouts
from .plan import Plan
from .rank_table import RankRow, rank_table

__all__ = ["node_table"]


def node_table(plan: Plan) -> list[str]:
    """The line for the plan's GPUs, then those for fewer; none for a job without GPUs.

    Each is for that many GPUs on the node that shows fewest:
    ``GPUS SHARING,SHARING LEAST_MIB RANKS EACH BYTES VERDICT DEVICES; … | SHARING …``. DEVICES are
    the value of the GPU option; ``-`` where a job type has named its own, which all must be there.
    """
    if not plan.ngpu:
        return []
    main = next(planned.command for planned in plan.commands if planned.is_main)
    fit = plan.gpu_fit
    planned = Layout(plan.nproc, plan.nodes, plan.ngpu, fit.ranks_per_gpu or 1)
    if not plan.chooses_gpus:
        rows = rank_table(planned, fit, plan.mps)
        return [_line(max(1, gpus_named(main)), ((row, "-") for row in rows))]
    program = lookup(main.program)
    lines: list[str] = []
    for gpus in range(plan.ngpu, 0, -1):
        layout = planned if gpus == plan.ngpu else _on_fewer(gpus, planned, fit)
        if layout is None:
            continue
        rows = rank_table(layout, _fit_on(layout, planned, fit), plan.mps)
        devices = (gpu_devices(program, row.nproc, row.gpus) if row.nproc else "-" for row in rows)
        lines.append(_line(gpus, zip(rows, devices, strict=True)))
    return lines


def _on_fewer(gpus: int, planned: Layout, fit: GpuFit) -> Layout | None:
    """The planned ranks on fewer GPUs of each node, at most as many on each as planned.

    None if RELION has no use for that many GPUs. With more ranks on each GPU, each would have to
    leave more of it free than the command says (:mod:`..memory.pool_race`).
    """
    if planned.nproc == 1:
        return planned._replace(gpus=gpus)
    rules = RankRules(idle_leader=bool(fit.idle_leader), split_halves=bool(fit.split_halves))
    wanted = WantedRanks(
        planned.nproc, ngpu=gpus, nodes=planned.nodes, ranks_per_gpu=planned.ranks_per_gpu
    )
    layout = next(layouts(wanted, rules), None)
    return layout if layout and layout.gpus == gpus else None


def _fit_on(layout: Layout, planned: Layout, fit: GpuFit) -> GpuFit:
    """The fit on fewer GPUs: a single process has more of its threads on each."""
    if layout.gpus == planned.gpus or len(fit.bytes_on_fewer) < layout.gpus:
        return fit
    size = fit.bytes_on_fewer[layout.gpus - 1]
    return fit._replace(bytes_per_rank=size, bytes_per_rank_without_mps=size)


def _line(gpus: int, rows: Iterable[tuple[RankRow, str]]) -> str:
    """Ways to share a GPU that have the same rows are named together."""
    ways: dict[str, list[str]] = {}
    for row, devices in rows:
        size = "-" if row.bytes_on_gpu is None else row.bytes_on_gpu
        text = f"{row.least_mib} {row.nproc} {row.ranks_per_gpu} {size} {row.verdict} {devices}"
        ways.setdefault(row.sharing, []).append(text)
    parts: dict[str, list[str]] = {}
    for sharing, texts in ways.items():
        parts.setdefault("; ".join(texts), []).append(sharing)
    return f"{gpus} " + " | ".join(f"{','.join(names)} {text}" for text, names in parts.items())
