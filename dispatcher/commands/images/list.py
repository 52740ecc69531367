"""``relion-dispatch images list``: what the catalogue has, and how its files stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ...config.catalogue import Listed

__all__ = ["list_images"]

_HEADS = ("image", "version", "variant", "GPU", "partitions", "size", "file", "signed")


def list_images(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """List versions and variants, and the state of their files."""
    from ...config.catalogue import load_catalogue
    from ...config.places import config_path
    from ...host.json_text import json_text
    from ..text_table import text_table

    catalogue = load_catalogue(config_path("images.json"))
    images = list(catalogue.builds())
    if as_json:
        print(json_text([_as_json(image) for image in images]))
    elif images:
        print(text_table([_HEADS, *map(_row, images)]))
    else:
        print(f"There is no image in {catalogue.path} yet.")
    return 0


def _row(image: Listed) -> tuple[str, ...]:
    from ...images.verify import at_a_glance

    build = image.build
    return (
        image.name,
        image.version + (" (default)" if image.is_default else ""),
        build.variant,
        build.gpu or "none",
        ", ".join(build.partitions) or "all",
        f"{build.size / 2**30:.2f} GiB" if build.size else "?",
        at_a_glance(image),
        "yes" if build.signed_by else "no",
    )


def _as_json(image: Listed) -> dict[str, Any]:
    from ...images.verify import at_a_glance

    build = image.build
    return {
        "name": image.name,
        "version": image.version,
        "default": image.is_default,
        "variant": build.variant,
        "path": str(image.path),
        "state": at_a_glance(image),
        "gpu": build.gpu,
        "partitions": list(build.partitions),
        "weights": image.weights and str(image.weights),
        "sha256": build.sha256,
        "size": build.size,
        "sif_id": build.sif_id,
        "architecture": build.architecture,
        "mpi": build.mpi,
        "programs": list(build.programs),
        "signed_by": list(build.signed_by),
    }
