"""``relion-dispatch images remove``: out of the catalogue."""

from __future__ import annotations

from typing import Annotated

import typer

from .arguments import ImageName, ImageVersion

__all__ = ["remove"]


def remove(
    name: ImageName,
    version: ImageVersion,
    variant: Annotated[
        str | None, typer.Option(metavar="VARIANT", help="Only this variant of the version.")
    ] = None,
    even_if_pinned: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION",
            help="The version again: remove it although projects are pinned to it.",
        ),
    ] = None,
    delete_file: Annotated[
        bool, typer.Option("--delete-file", help="Delete the image file as well.")
    ] = False,
) -> int:
    """Take a version out of the catalogue.

    The command refuses to remove a version to which known projects are pinned.
    """
    from ...config.site import load_site
    from ...images.known_projects import projects_folder
    from ...images.remove import delete
    from ...images.remove import remove as remove_image

    site = load_site()
    if even_if_pinned not in (None, version):
        raise typer.BadParameter(f"repeat the version, {version}", param_hint="--even-if-pinned")
    if not projects_folder(site).is_dir():
        folder = projects_folder(site)
        print(
            f"note: the folder {folder} does not exist, so relion-dispatch does not know which "
            "projects are pinned."
        )
    files = remove_image(site, name, version, variant, even_if_pinned is not None)
    print(f"{name} {version}{f' ({variant})' if variant else ''} was removed from the catalogue.")
    for file, listed_by in files:
        if listed_by:
            others = " and ".join(map(str, listed_by))
            print(f"The file {file} is kept, because the catalogue has it as {others} too.")
        elif delete_file:
            delete(file)
            print(f"The file {file} is deleted.")
        else:
            print(f"The file {file} is kept.")
    return 0
