"""``relion-dispatch gpu …``: what fits on a GPU, by which arithmetic, and what a card takes."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..gpu.fit import Answer, Question

__all__ = ["gpu_app"]

gpu_app = typer.Typer(
    help=(
        "Say how many ranks share a GPU, and measure one.\n\n"
        "Sizes are bytes or '24G' (2^30 bytes each, as cards are sold)."
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
)


class Model(StrEnum):
    """The two memory models."""

    relion = "relion"
    fmi = "fmi"


@gpu_app.command("fit")
def fit(
    box: Annotated[int, typer.Option(min=2, help="Box size in pixels.")],
    gpu_memory: Annotated[
        str, typer.Option(metavar="SIZE", help="Memory of one GPU, e.g. 24G.")
    ] = "",
    classes: Annotated[int, typer.Option("--classes", "--K", min=1, help="References.")] = 1,
    bodies: Annotated[int, typer.Option(min=1, help="Bodies of a multi-body refinement.")] = 1,
    overlaps: Annotated[
        int | None,
        typer.Option(min=0, help="Projectors for overlapping bodies. Default: all pairs."),
    ] = None,
    dimensions: Annotated[int, typer.Option(min=2, max=3, help="Of the references: 2 or 3.")] = 3,
    pad: Annotated[float, typer.Option(min=1, max=8, help="RELION's padding factor.")] = 2,
    threads: Annotated[int, typer.Option("--threads", "--j", min=1, help="Per rank.")] = 4,
    free_gpu_memory: Annotated[
        float, typer.Option(min=0, help="In MB, as RELION's option; per rank.")
    ] = 0,
    gradient: Annotated[
        bool, typer.Option("--gradient", "--grad", help="VDAM, as in InitialModel.")
    ] = False,
    auto_refine: Annotated[
        bool, typer.Option("--auto-refine", help="Sampling is refined as in Refine3D.")
    ] = False,
    skip_align: Annotated[
        bool, typer.Option("--skip-align", help="Poses stay as they are: no GPU but for Blush.")
    ] = False,
    blush: Annotated[bool, typer.Option("--blush", help="RELION 5's regularisation.")] = False,
    subtomograms: Annotated[
        bool, typer.Option("--subtomograms", help="Particles are volumes.")
    ] = False,
    healpix_order: Annotated[
        int,
        typer.Option(min=0, max=10, help="2: 7.5 degrees in RELION's window."),
    ] = 2,
    auto_local_healpix_order: Annotated[
        int, typer.Option(min=0, max=10, help="From which an auto-refinement searches locally.")
    ] = 4,
    psi_step: Annotated[
        float, typer.Option(help="In-plane sampling in degrees; RELION's default below 0.")
    ] = -1,
    offset_range: Annotated[
        float, typer.Option(min=0, help="Largest shift that is tried, in pixels.")
    ] = 5,
    offset_step: Annotated[float, typer.Option(min=0.1, help="Sampling of shifts, in pixels.")] = 2,
    sym: Annotated[str, typer.Option(metavar="GROUP", help="Point group.")] = "C1",
    maxsig: Annotated[int, typer.Option(min=0, help="Most significant poses; 0: all.")] = 0,
    relion: Annotated[
        str, typer.Option(metavar="VERSION", help="E.g. 5.0; without one, the hungriest.")
    ] = "",
    model: Annotated[Model, typer.Option(help="Which arithmetic counts the ranks.")] = Model.relion,
    mps: Annotated[
        bool, typer.Option("--mps/--no-mps", help="Whether ranks share the GPU through MPS.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw ranks per GPU by box size, as a PNG."),
    ] = None,
) -> int:
    """Say how many ranks of a refinement share a GPU.

    And what one of them takes there. Options are named as RELION's.
    """
    from ..config.site import load_site
    from ..errors import ConfigError
    from ..gpu.fit import Question, answer, refinement
    from ..relion.version import major_minor
    from ..units import bytes_of

    version = major_minor(relion) if relion else None
    if relion and version is None:
        raise ConfigError(f"--relion {relion} is no version: give one like 5.0.")
    gpu_bytes = bytes_of(gpu_memory, "--gpu-memory") if gpu_memory else None
    if gpu_bytes is None and plot is None:
        raise ConfigError("Give the memory of one GPU: --gpu-memory 24G.")
    finest = max(healpix_order, auto_local_healpix_order - 1) if auto_refine else healpix_order

    def question(size: int, card: int | None) -> Question:
        return Question(
            refinement=refinement(
                size,
                dimensions=dimensions,
                classes=classes,
                bodies=bodies,
                overlaps=overlaps,
                padding=pad,
                gradient=gradient,
                auto_refine=auto_refine,
                skip_align=skip_align,
                blush=blush,
                subtomograms=subtomograms,
                healpix_order=healpix_order,
                finest_order=finest,
                psi_step=psi_step,
                offset_range=offset_range,
                offset_step=offset_step,
                symmetry=sym,
                maxsig=maxsig,
            ),
            gpu_bytes=card,
            threads=threads,
            free_gpu_memory=free_gpu_memory,
            relion_version=version,
            mps=mps,
            model=model.value,
            hardware=constants,
        )

    constants = load_site().gpu_constants
    asked = question(box, gpu_bytes)
    found = answer(asked)
    if plot:
        _plot(plot, question, asked)
    if as_json:
        print(json.dumps(found.as_json(), indent=2))
    else:
        print("\n".join(_sentences(asked, found)))
        if plot:
            print(f"Drawn: {plot}")
    return 0


def _plot(path: Path, question: Callable[[int, int], Question], asked: Question) -> None:
    from ..errors import ConfigError
    from ..gpu.fit import answer
    from ..gpu.plot import draw
    from ..gpu.table import CARDS

    shape = asked.refinement
    what = f"{shape.bodies} bodies" if shape.bodies > 1 else f"{shape.classes} class"
    what += "es" if shape.classes > 1 else ""
    boxes = range(64, 1001, 8)
    if not answer(asked).bytes_per_rank:
        raise ConfigError("There is nothing to draw: without alignment RELION uses no GPU memory.")
    draw(
        path,
        f"Ranks per GPU by the {asked.model} model: {what} in {shape.dimensions}D, "
        f"padding {shape.padding:g}, {asked.threads} threads per rank",
        boxes,
        {
            f"{card} GB": [answer(question(box, card * 2**30)).ranks_per_gpu or 0 for box in boxes]
            for card in CARDS
        },
    )


def _sentences(asked: Question, found: Answer) -> list[str]:
    """The answer for people; sizes in GB of 10^9 bytes."""
    shape = asked.refinement

    def gb(size: int) -> str:
        return f"{size / 1e9:7.2f} GB"

    lines = [f"fixed part, as RELION counts   {gb(found.fixed_bytes_per_rank)}"]
    if asked.model == "relion":
        lines += [
            f"the same on the GPU            {gb(found.allocated_bytes_per_rank)}",
            f"working pool of {asked.threads:3} threads    {gb(found.pool_bytes_per_rank)}",
        ]
        if shape.skips_alignment:
            lines = ["RELION uses no GPU when alignment is skipped, Blush excepted."]
    lines.append(f"one rank by the {asked.model:6} model   {gb(found.bytes_per_rank)}")
    if found.usable_bytes is None:
        return lines
    lines.append(f"usable of the GPU              {gb(found.usable_bytes)}")
    most = "no limit" if found.ranks_per_gpu is None else str(found.ranks_per_gpu)
    lines.append(f"ranks per GPU: {most}")
    if found.small_pool:
        lines.append(
            f"RELION can make do with {gb(found.least_bytes_per_rank).strip()}, so one may run, "
            "with a smaller pool than it likes: --pad 1, --maxsig or fewer threads help."
        )
    elif asked.model == "relion" and found.ranks_per_gpu == 0:
        lines.append(
            f"It needs {gb(found.least_bytes_per_rank).strip()} at the very least: --pad 1, fewer "
            "classes or a larger GPU."
        )
    return lines


@gpu_app.command("table")
def table(
    threads: Annotated[int, typer.Option(min=1, help="Per rank.")] = 4,
) -> int:
    """Print ranks per GPU by box size and card, in Markdown.

    By both models: the tables of docs/gpu.md.
    """
    from ..config.site import load_site
    from ..gpu.table import markdown

    print(markdown(threads, load_site().gpu_constants), end="")
    return 0


@gpu_app.command("calibrate")
def calibrate(
    device: Annotated[int, typer.Option(min=0, help="Index of the GPU.")] = 0,
    larger: Annotated[
        bool, typer.Option("--larger", help="Keep what site.json has where that is larger.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Measure, write nothing.")] = False,
) -> int:
    """Measure this node's GPU, and write that to site.json.

    Run it on a node whose GPU nobody uses. Sites with several kinds of cards run it on one of
    each, from the second on with --larger.
    """
    from ..gpu.calibration import calibrate as measured
    from ..gpu.calibration import write

    found = measured(device)
    print(f"Measured on a {found.card}:")
    for name, value in found.constants.items():
        print(f"  {name}: {value}")
    for reason in found.left_out:
        print(f"not measured: {reason}")
    if dry_run:
        return 0
    changes = write(found.constants, larger)
    for change in changes:
        print(f"changed: {change}")
    if not changes:
        print("site.json says so already: nothing was changed.")
    return 0
