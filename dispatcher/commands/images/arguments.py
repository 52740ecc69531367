"""How the commands ``relion-dispatch images …`` name an image."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["ImageName", "ImageVersion"]

ImageName = Annotated[str, typer.Argument(metavar="NAME", help='The image: "relion".')]
ImageVersion = Annotated[str, typer.Argument(metavar="VERSION", help='Its version: "5.1.0".')]
