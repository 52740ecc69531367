"""The commands ``relion-dispatch images …``: the site's image catalogue."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..config.gpu_vendors import GpuChoice

if TYPE_CHECKING:
    from ..images.verify import Listed

__all__ = ["images_app"]

images_app = typer.Typer(
    name="images",
    help="Keep the catalogue of container images.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_CLEARED = "\r\x1b[K"  # the cursor at the beginning of an empty line

Name = Annotated[str, typer.Argument(metavar="NAME", help='The image: "relion".')]
Version = Annotated[str, typer.Argument(metavar="VERSION", help='Its version: "5.1.0".')]


@images_app.command()
def build(
    name: Name,
    version: Version,
    variant: Annotated[
        str | None,
        typer.Option(
            metavar="VARIANT", help="Which of the version's recipes; the first where unset."
        ),
    ] = None,
    base: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Build on this SIF, not on what the recipe names."),
    ] = None,
    build_base: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Compile in this SIF: a source recipe's first stage."),
    ] = None,
    build_arg: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="An argument of the definition. Repeatable."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where the SIF goes; the site's images/ if unset."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The SIF's path, instead of a folder.")
    ] = None,
) -> int:
    """Build an image, test it, and add it to the catalogue.

    As an ordinary user. Recipes are in containers/recipes.json, shipped and in the site's folder.
    """
    from ..config.places import site_folder
    from ..config.site import load_site
    from ..images.add import described
    from ..images.building.build import BuildRequest
    from ..images.building.build import build as build_image
    from ..images.building.recipes import find

    recipe = find(name, version, variant)
    given = [word.partition("=") for word in build_arg or ()]
    if wrong := [key for key, sign, _ in given if not (key and sign)]:
        raise typer.BadParameter(f'"{wrong[0]}": expected KEY=VALUE', param_hint="--build-arg")
    if output and folder:
        raise typer.BadParameter("give --folder or --output, not both", param_hint="--output")
    for option, given_base in (("--base", base), ("--build-base", build_base)):
        if given_base and not given_base.is_file():
            raise typer.BadParameter(f"there is no file {given_base}", param_hint=option)
    file = (folder or site_folder() / "images") / f"{name}-{version}-{recipe.variant}.sif"
    arguments = {key: value for key, _, value in given}
    target = (output or file).absolute()
    order = BuildRequest(name, version, recipe, arguments, base, target, build_base=build_base)
    site = load_site()
    for line in described(build_image(order, site), site):
        print(line)
    return 0


@images_app.command()
def add(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The SIF.")],
    name: Annotated[
        str, typer.Option(metavar="NAME", help="What job types call the image.")
    ] = "relion",
    version: Annotated[
        str | None, typer.Option(metavar="VERSION", help="RELION's own where unset.")
    ] = None,
    variant: Annotated[
        str | None,
        typer.Option(metavar="VARIANT", help="What tells it from the version's other images."),
    ] = None,
    gpu: Annotated[
        GpuChoice | None,
        typer.Option(help="The GPUs it is for; RELION in it says so itself."),
    ] = None,
    partition: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A partition it serves; all where unset. Repeatable."),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Networks' weights, for its Python programs."),
    ] = None,
    default: Annotated[
        bool, typer.Option("--default", help="Make its version the default.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Let it take the place of another file.")
    ] = False,
) -> int:
    """Add an image file to the catalogue.

    What it says about itself is read out of it. The same file again updates its entry.
    """
    from ..config.site import load_site
    from ..images.add import NewImage, described
    from ..images.add import add as add_image
    from ..images.edit_catalogue import check_editable
    from ..images.inspect import inspect

    check_editable()  # before the minutes that a large file takes
    site = load_site()
    wanted = NewImage(
        name, version, variant, gpu, tuple(partition or ()), weights, default, replace
    )
    file = file.absolute()  # Apptainer takes a:b.sif for an address
    for line in described(add_image(file, inspect(file, site), wanted), site):
        print(line)
    return 0


@images_app.command(name="list")
def list_images(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """List versions and variants, and how their files stand."""
    import json

    from ..config.catalogue import load_catalogue
    from ..config.places import config_path
    from ..images.verify import at_a_glance, listed
    from .text_table import text_table

    catalogue = load_catalogue(config_path("images.json"))
    images = list(listed(catalogue))
    if as_json:
        print(json.dumps([image.as_json() for image in images], indent=2))
        return 0
    rows = [("image", "version", "variant", "GPU", "partitions", "size", "file", "signed")]
    for image in images:
        build = image.build
        rows.append(
            (
                image.name,
                image.version + (" (default)" if image.is_default else ""),
                build.variant,
                build.gpu or "none",
                ", ".join(build.partitions) or "all",
                f"{build.size / 1e9:.2f} GB" if build.size else "?",
                at_a_glance(image),
                "yes" if build.signed_by else "no",
            )
        )
    print(text_table(rows) if images else f"There is no image in {catalogue.path} yet.")
    return 0


@images_app.command()
def verify(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="An image; needed without --all.")
    ] = None,
    version: Annotated[
        str | None, typer.Argument(metavar="VERSION", help="One of its versions.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="The whole catalogue.")] = False,
) -> int:
    """Hash image files, and verify recorded signatures.

    Status 1 if something is wrong.
    """
    from ..config.catalogue import load_catalogue
    from ..config.places import config_path
    from ..config.site import load_site
    from ..images.verify import listed
    from ..images.verify import verify as verify_images

    if every == (name is not None):
        raise typer.BadParameter("name an image, or say --all", param_hint="NAME")
    catalogue = load_catalogue(config_path("images.json"))
    images = list(listed(catalogue, name, version))
    if not images:
        print(f"There is no image in {catalogue.path} yet.")
    wrong = 0
    progress = _progress if sys.stderr.isatty() else None
    for found in verify_images(images, load_site(), progress):
        if progress:
            print(_CLEARED, end="", file=sys.stderr, flush=True)
        print(found, flush=True)
        wrong += found.problem is not None
    return 1 if wrong else 0


def _progress(image: Listed, done: int) -> None:
    """One line on the terminal, written over and over."""
    size = image.path.stat().st_size
    if done % (64 << 20) == 0 or done == size:
        print(f"{_CLEARED}{image}: {done / size:.0%}", end="", file=sys.stderr, flush=True)


@images_app.command()
def remove(
    name: Name,
    version: Version,
    variant: Annotated[
        str | None, typer.Option(metavar="VARIANT", help="Only this variant of it.")
    ] = None,
    even_if_pinned: Annotated[
        str | None,
        typer.Option(metavar="VERSION", help="Also if projects are pinned to it: say it again."),
    ] = None,
    delete_file: Annotated[
        bool, typer.Option("--delete-file", help="Delete the image file as well.")
    ] = False,
) -> int:
    """Take a version out of the catalogue. Refused while known projects are pinned to it."""
    from ..config.site import load_site
    from ..images.known_projects import projects_folder
    from ..images.remove import delete
    from ..images.remove import remove as remove_image

    site = load_site()
    if even_if_pinned not in (None, version):
        raise typer.BadParameter(f"repeat the version, {version}", param_hint="--even-if-pinned")
    if not projects_folder(site).is_dir():
        folder = projects_folder(site)
        print(f"note: which projects are pinned is not known, as there is no folder {folder}.")
    files = remove_image(site, name, version, variant, even_if_pinned is not None)
    print(f"{name} {version}{f' ({variant})' if variant else ''} is out of the catalogue.")
    for file in files:
        if delete_file:
            delete(file)
        print(f"The file {file} is {'deleted' if delete_file else 'kept'}.")
    return 0


@images_app.command()
def default(name: Name, version: Version) -> int:
    """Choose the version that new projects get. Pinned projects keep theirs."""
    from ..config.site import load_site
    from ..images.remove import pinned_in, set_default

    before = set_default(name, version)
    if before == version:
        print(f"New projects get {name} {version} already.")
        return 0
    print(f"New projects get {name} {version}; it was {before}.")
    pinned = pinned_in(load_site(), name, before)
    if pinned.projects:
        print(f"Known projects that stay pinned to {before}: {len(pinned.projects)}.")
    if pinned.unreadable:
        print(f"Known projects whose pins cannot be read: {len(pinned.unreadable)}.")
    return 0
