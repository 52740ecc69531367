"""The commands ``relion-dispatch images …``: the site's image catalogue."""

from __future__ import annotations

import typer

from .add import add
from .build import build
from .default import default
from .list import list_images
from .remove import remove
from .verify import verify

__all__ = ["images_app"]

images_app = typer.Typer(
    name="images",
    help="Keep the catalogue of container images.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
images_app.command()(build)
images_app.command()(add)
images_app.command(name="list")(list_images)
images_app.command()(verify)
images_app.command()(remove)
images_app.command()(default)
