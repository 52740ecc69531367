"""``relion-dispatch images build``: an image from its recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .arguments import ImageName, ImageVersion

__all__ = ["build"]


def build(
    name: ImageName,
    version: ImageVersion,
    variant: Annotated[
        str | None,
        typer.Option(metavar="VARIANT", help="Which recipe of this version. Default: the first."),
    ] = None,
    base: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Build on this SIF instead of the base that the recipe names."
        ),
    ] = None,
    build_base: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Compile in this SIF: the first stage of a recipe from source."
        ),
    ] = None,
    archive: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Take RELION's source from VERSION.tar.gz in this folder, not from GitHub.",
        ),
    ] = None,
    build_arg: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="An argument of the definition. Repeatable."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder for the SIF. Default: images/ of the site."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Path of the SIF, instead of a folder.")
    ] = None,
) -> int:
    """Build an image, test it, and add it to the catalogue.

    Run it as an ordinary user, not as root. The recipe comes from containers/recipes.json in the
    site's folder, else from the shipped one.
    """
    from ...config.places import site_folder
    from ...config.site import load_site
    from ...images.building.build import BuildRequest
    from ...images.building.build import build as build_image
    from ...images.building.recipes import find
    from .added_text import added_text

    recipe = find(name, version, variant)
    given = [word.partition("=") for word in build_arg or ()]
    if wrong := [key for key, sign, _ in given if not (key and sign)]:
        raise typer.BadParameter(f'"{wrong[0]}": expected KEY=VALUE', param_hint="--build-arg")
    if output and folder:
        raise typer.BadParameter("give --folder or --output, not both", param_hint="--output")
    for option, given_base in (("--base", base), ("--build-base", build_base)):
        if given_base and not given_base.is_file():
            raise typer.BadParameter(f"there is no file {given_base}", param_hint=option)
    if archive and any(key == "archive" for key, _, _ in given):
        raise typer.BadParameter(
            "give --archive or --build-arg archive=…, not both", param_hint="--archive"
        )
    file = (folder or site_folder() / "images") / f"{name}-{version}-{recipe.variant}.sif"
    arguments = {key: value for key, _, value in given}
    target = (output or file).absolute()
    order = BuildRequest(
        name, version, recipe, arguments, base, target, build_base=build_base, archive=archive
    )
    site = load_site()
    print(added_text(build_image(order, site), site))
    return 0
