"""``relion-dispatch gpu …``: what fits on a GPU, by which arithmetic, and what a card takes."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..config.largest import MOST_GPUS, MOST_THREADS, WIDEST

if TYPE_CHECKING:
    from ..gpu.fit import Answer
    from ..memory.card import Card

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
    refinement: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[JOB | COMMAND]",
            help=(
                "A job's folder or its run_submit.script; or a relion_refine command line, as one "
                "quoted text or as words after --. Default: Refine3D as in RELION's window."
            ),
        ),
    ] = None,
    gpu_memory: Annotated[
        str, typer.Option(metavar="SIZE", help="Memory of one GPU, e.g. 24G.")
    ] = "",
    box: Annotated[
        int | None,
        typer.Option(
            min=2,
            max=WIDEST,
            metavar="PIXELS",
            help="Box size, in place of the particles' own. Needed if they cannot be read.",
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1, max=MOST_THREADS, metavar="N", help="Per rank. Default: the command's --j, or 1."
        ),
    ] = None,
    mps: Annotated[
        bool, typer.Option("--mps/--no-mps", help="Whether ranks share the GPU through MPS.")
    ] = True,
    relion: Annotated[
        str,
        typer.Option(metavar="VERSION", help="E.g. 5.0. Default: the one that needs most memory."),
    ] = "",
    model: Annotated[Model, typer.Option(help="Which arithmetic counts the ranks.")] = Model.relion,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw ranks per GPU by box size: .png, .svg or .pdf."),
    ] = None,
) -> int:
    """Say how many ranks of a refinement share a GPU.

    It also prints the memory that one rank takes. The refinement is read as in a submitted job.
    """
    from ..config.site import load_site
    from ..errors import ConfigError
    from ..gpu.asked import asked, sized
    from ..gpu.fit import answer
    from ..host.json_text import json_text
    from ..memory.card import Card
    from ..relion.version import major_minor
    from ..units import bytes_of

    version = major_minor(relion) if relion else None
    if relion and version is None:
        raise ConfigError(f"--relion {relion} is not a version: give a version such as 5.0.")
    gpu_bytes = bytes_of(gpu_memory, "--gpu-memory") if gpu_memory else None
    if gpu_bytes is None and plot is None:
        raise ConfigError("Give the memory of one GPU: --gpu-memory 24G.")
    found = sized(asked(refinement or []), box, version)
    threads = threads or found.threads
    card = Card(
        gpu_bytes=gpu_bytes,
        refinement=found.refinement,
        memory_model=model.value,
        free_gpu_memory=found.free_gpu_memory,
        relion_version=version,
        mps=mps,
        hardware=load_site().gpu_constants,
    )
    answered = answer(card, threads)
    if plot:
        _plot(plot, card, threads)
    if as_json:
        asked_for = {
            "box_size": found.refinement.box,
            "box_size_source": found.refinement.source,
            "threads": threads,
            "assumed": list(found.assumed),
        }
        print(json_text({**asked_for, **answered.as_json()}))
    else:
        print("\n".join([*found.assumed, *_sentences(card, threads, answered)]))
        if plot:
            print(f"Drawn: {plot}")
    return 0


def _plot(path: Path, card: Card, threads: int) -> None:
    from dataclasses import replace

    from ..errors import ConfigError
    from ..gpu.fit import answer
    from ..gpu.plot import draw
    from ..gpu.table import CARDS
    from ..units import count

    shape = card.refinement
    assert shape is not None
    if not answer(card, threads).bytes_per_rank:
        raise ConfigError("There is nothing to draw: without alignment RELION uses no GPU memory.")

    def ranks(gpu_bytes: int, box: int) -> int:
        other = replace(shape, box=box, image_box=box)
        asked = card._replace(gpu_bytes=gpu_bytes, refinement=other)
        return answer(asked, threads).ranks_per_gpu or 0

    boxes = range(64, 1001, 8)
    objects = count(shape.bodies, "body") if shape.bodies > 1 else count(shape.classes, "class")
    cards = sorted({card.gpu_bytes or 0, *(each << 30 for each in CARDS)} - {0})
    draw(
        path,
        f"{objects} in {shape.dimensions}D, padding {shape.padding:g}, "
        f"{count(threads, 'thread')} per rank, by the {card.memory_model} model",
        boxes,
        {each: [ranks(each, box) for box in boxes] for each in cards},
        shape.box,
        card.gpu_bytes,
    )


def _sentences(card: Card, threads: int, found: Answer) -> list[str]:
    """The answer for people; sizes in GiB."""
    from ..memory.card import described
    from ..units import count

    shape = card.refinement
    assert shape is not None

    def gib(size: int) -> str:
        return f"{size / 2**30:7.2f} GiB"

    lines = [f"{described(shape)}, {count(threads, 'thread')} per rank", ""]
    if found.model == "fmi":
        lines.append(f"fixed part, as RELION counts   {gib(found.fixed_bytes_per_rank)}")
    elif shape.skips_alignment:
        lines.append("RELION uses no GPU if alignment is skipped, except with Blush.")
    else:
        lines += [
            f"fixed part, as RELION counts   {gib(found.fixed_bytes_per_rank)}",
            f"the same on the GPU            {gib(found.allocated_bytes_per_rank)}",
            f"working pool of {count(threads, 'thread'):>11}    {gib(found.pool_bytes_per_rank)}",
        ]
        if found.free_gpu_memory:
            left = gib(round(found.free_gpu_memory * 1_000_000))
            lines.append(f"left free (--free_gpu_memory)  {left}")
    lines.append(f"one rank by the {found.model:6} model   {gib(found.bytes_per_rank)}")
    if found.usable_bytes is None:
        return lines
    lines.append(f"usable of the GPU              {gib(found.usable_bytes)}")
    most = found.ranks_per_gpu
    why = card.why_no_more(threads, most, most) if most else ""
    lines.append(f"ranks per GPU: {'no limit' if most is None else most}{why}")
    least = gib(found.least_bytes_per_rank).strip()
    if found.small_pool:
        lines.append(
            f"RELION can run with {least}, so relion-dispatch starts one rank, with less working "
            "memory than recommended. To give the rank more memory, use --pad 1, --maxsig or fewer "
            "threads."
        )
    elif found.model == "relion" and found.ranks_per_gpu == 0:
        lines.append(
            f"One rank needs {least} at least. Use --pad 1, fewer classes or a larger GPU."
        )
    return lines


@gpu_app.command("table")
def table(
    threads: Annotated[int, typer.Option(min=1, max=MOST_THREADS, help="Per rank.")] = 4,
) -> int:
    """Print ranks per GPU by box size and card, in Markdown.

    The tables of docs/gpu.md show both memory models.
    """
    from ..config.site import load_site
    from ..gpu.table import markdown

    print(markdown(threads, load_site().gpu_constants), end="")
    return 0


@gpu_app.command("calibrate")
def calibrate(
    device: Annotated[int, typer.Option(min=0, max=MOST_GPUS - 1, help="Index of the GPU.")] = 0,
    larger: Annotated[
        bool, typer.Option("--larger", help="Keep values of site.json that are larger.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Measure, but write nothing.")] = False,
) -> int:
    """Measure this node's GPU, and write its constants to site.json.

    Run it on a node whose GPU nobody uses. Sites with several kinds of cards run it on one of
    each, and with --larger from the second one on.
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
        print("site.json has these values already: nothing was changed.")
    return 0
