"""What runs on as many GPUs as the nodes show, and as large ones: lines that a job script looks up.

The plan is the most: a node with more or larger GPUs changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..ranks.devices import devices_named, gpu_devices, gpus_named
from ..ranks.gpu_fit import GpuFit
from ..ranks.layouts import Layout, RankRules, WantedRanks, layouts
from ..ranks.rank_table import RankRow, rank_table
from ..relion.programs import lookup
from .plan import Plan

__all__ = ["node_table"]


def node_table(plan: Plan) -> list[str]:
    """The line for the plan's GPUs, then those for fewer; none for a job without GPUs.

    Each is for that many GPUs on the node that shows fewest:
    ``GPUS SHARING,SHARING LEAST_MIB RANKS EACH BYTES VERDICT DEVICES; … | SHARING …``. DEVICES are
    the value of the GPU option; ``-`` where the node cannot change it, because a job type has named
    devices or the script's template has settled them. These must all be there. RANKS are 0 with the
    verdict ``no``, or the ranks that the template starts on any node.
    """
    if not plan.ngpu:
        return []
    main = next(planned.command for planned in plan.commands if planned.is_main)
    fit = plan.gpu_fit
    planned = Layout(plan.nproc, plan.nodes, plan.ngpu, fit.ranks_per_gpu or 1)
    if not plan.chooses_gpus:
        planned = planned._replace(devices=devices_named(main) if plan.nproc > 1 else ())
        stays = _that_stays(fit) if plan.ranks_stay else fit
        rows = rank_table(planned, stays, plan.mps, plan.nthread)
        if plan.ranks_stay:
            rows = tuple(row._replace(nproc=plan.nproc) for row in rows)
        gpus = gpus_named(main, plan.nproc)
        return [_line(max(1, gpus), ((row, "-") for row in rows))]
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


def _that_stays(fit: GpuFit) -> GpuFit:
    """The fit of ranks that start on any card: the planned ones on each GPU are the fewest."""
    each, least = fit.ranks_per_gpu or 1, fit.least or 1
    if each <= least:
        return fit
    lowest = fit.least_bytes_sharing or fit.least_bytes_per_rank
    return fit._replace(least=each, least_bytes_per_rank=lowest)


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
