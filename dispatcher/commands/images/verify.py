"""``relion-dispatch images verify``: whole files, read and compared."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ...host.shown_streams import to_terminal

if TYPE_CHECKING:
    from ...config.catalogue import Listed

__all__ = ["verify"]

_CLEARED = "\r\x1b[K"  # the cursor at the beginning of an empty line


def verify(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="An image. Needed without --all.")
    ] = None,
    version: Annotated[
        str | None, typer.Argument(metavar="VERSION", help="One of the image's versions.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="The whole catalogue.")] = False,
) -> int:
    """Check digests and recorded signatures of image files.

    The exit status is 1 if something is wrong.
    """
    from ...config.catalogue import load_catalogue
    from ...config.places import config_path
    from ...config.site import load_site
    from ...images.verify import verify as verify_images

    if every == (name is not None):
        raise typer.BadParameter("name an image, or give --all", param_hint="NAME")
    catalogue = load_catalogue(config_path("images.json"))
    images = list(catalogue.builds() if name is None else catalogue.find(name, version))
    if not images:
        print(f"There is no image in {catalogue.path} yet.")
    wrong = 0
    progress = _progress if sys.stderr.isatty() else None
    for found in verify_images(images, load_site(), progress):
        if progress:
            to_terminal(_CLEARED, sys.stderr)
        print(found, flush=True)
        wrong += found.problem is not None
    return 1 if wrong else 0


def _progress(image: Listed, done: int) -> None:
    """One line on the terminal, written over and over."""
    size = image.path.stat().st_size
    if done % (64 << 20) == 0 or done == size:
        to_terminal(_CLEARED, sys.stderr)
        print(f"{image}: {done / size:.0%}", end="", file=sys.stderr, flush=True)
