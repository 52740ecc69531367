"""``relion-dispatch images add``: a file that is there already."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...config.gpu_vendors import GpuChoice

__all__ = ["add"]


def add(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The SIF.")],
    name: Annotated[
        str, typer.Option(metavar="NAME", help="The name that job types use for the image.")
    ] = "relion",
    version: Annotated[
        str | None,
        typer.Option(metavar="VERSION", help="Default: the version of RELION in the image."),
    ] = None,
    variant: Annotated[
        str | None,
        typer.Option(
            metavar="VARIANT", help="A name that differs from the other images of this version."
        ),
    ] = None,
    gpu: Annotated[
        GpuChoice | None,
        typer.Option(
            help="The GPUs that the image is for. Default: what RELION in the image was built for."
        ),
    ] = None,
    partition: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="A partition that the image serves. Default: all. Repeatable."
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder with the weights of the networks, for RELION's Python programs.",
        ),
    ] = None,
    default: Annotated[
        bool, typer.Option("--default", help="Make the version of this image the default.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the file that the catalogue has.")
    ] = False,
) -> int:
    """Add an image file to the catalogue.

    Version, GPU, MPI and programs are read from the image. Adding a file again updates its entry.
    """
    from ...config.site import load_site
    from ...images.add import NewImage
    from ...images.add import add as add_image
    from ...images.edit_catalogue import check_editable
    from ...images.inspect import inspect
    from .added_text import added_text

    check_editable()  # before the minutes that a large file takes
    site = load_site()
    wanted = NewImage(
        name, version, variant, gpu, tuple(partition or ()), weights, default, replace
    )
    file = file.absolute()  # Apptainer takes a:b.sif for an address
    print(added_text(add_image(file, inspect(file, site), wanted), site))
    return 0
