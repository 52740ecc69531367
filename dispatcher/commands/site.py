"""``relion-dispatch site …``: a site from what its scheduler tells, as one archive, and again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .site_environment import environment, print_refreshed
from .site_init import init

if TYPE_CHECKING:
    from ..site.archive import SiteArchive

__all__ = ["site_app"]

NOT_ALL_EQUAL = 3  # an exit status of its own: the site is set up, and differs somewhere

site_app = typer.Typer(
    help=(
        "Begin a site, write it to one archive, or set it up from one.\n\n"
        "'import', 'compare' and 'init' end with status 3 if not everything is equal."
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
)

site_app.command("init")(init)
site_app.command("environment")(environment)

File = Annotated[Path, typer.Argument(metavar="FILE", help="What 'site export' wrote.")]


@site_app.command("export")
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")],
) -> int:
    """Write this site to one archive, which tar unpacks.

    The archive has the dispatcher's version, configuration, templates, and the images' digests.
    """
    from ..host.atomic_files import write_atomically
    from ..site.archive import pack
    from ..site.export import export_site, left_out
    from ..units import count

    site, warnings = export_site()
    write_atomically(file, pack(site), "or name another file.")
    print(f"{file}: {count(len(site.files), 'file')}, and the digests of the images")
    for path in left_out():
        print(f"left out: {path}")
    for warning in warnings:
        print(f"warning: {warning}")
    return 0


@site_app.command("import")
def import_(
    file: File,
    images: Annotated[
        list[Path] | None,
        typer.Option(metavar="FOLDER", help="Look for the images in and below this folder."),
    ] = None,
    build: Annotated[
        bool, typer.Option("--build", help="Build the images that are not found.")
    ] = False,
) -> int:
    """Set up an exported site in this site's folder.

    At the end a table shows what is equal to the exported site. No program that the site names is
    run: `relion-dispatch check` runs them.
    """
    from ..config.site import load_site
    from ..site.archive import read
    from ..site.named_programs import is_default_apptainer, named_programs
    from ..site.rebuild import build_missing, place_images, write_files

    exported = read(file)
    # deploy/install.sh lists the files of these lines in its manifest.
    for path in write_files(exported):
        print(f"wrote: {path}", flush=True)
    missing, site = place_images(exported, images or []), load_site()
    for image, built in build_missing(missing, site) if build else ():
        if isinstance(built, Path):
            print(f"{image} was built again, as {built}.")
            print(f"wrote: {built}", flush=True)
        else:
            print(f"{image} was not built: {built}", flush=True)
    print_refreshed()
    status = _print_comparison(exported, is_default_apptainer(site))
    print(
        f"The site names these programs: {', '.join(named_programs(site))}. The import has run "
        "none that is the site's own: look at them and at the templates, and then run "
        "`relion-dispatch check`, which runs them."
    )
    return status


@site_app.command("compare")
def compare(file: File) -> int:
    """Show where an exported site and this one differ. Changes nothing."""
    from ..site.archive import read

    return _print_comparison(read(file))


def _print_comparison(exported: SiteArchive, ask_apptainer: bool = True) -> int:
    from ..site.comparison import compare
    from .text_table import text_table

    rows = compare(exported, ask_apptainer)
    unequal = [row for row in rows if row.state != "equal"]
    # What needs attention comes last.
    ordered = [row for row in rows if row.state == "equal"] + unequal
    print(text_table([(row.state, row.what, row.note) for row in ordered]))
    print(f"Equal: {len(rows) - len(unequal)} of {len(rows)}.")
    return NOT_ALL_EQUAL if unequal else 0
