"""``relion-dispatch site …``: a site as one file, and set up again from it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..site.file import SiteFile

__all__ = ["site_app"]

NOT_ALL_EQUAL = 3  # an exit status of its own: the site is set up, and differs somewhere

site_app = typer.Typer(
    help=(
        "Write a site to one file, or set it up from one.\n\n"
        "'import' and 'compare' end with status 3 where not everything is equal."
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
)

File = Annotated[Path, typer.Argument(metavar="FILE", help="What 'site export' wrote.")]


@site_app.command("export")
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")],
) -> int:
    """Write this site to one readable file.

    In it: the dispatcher, configuration, templates, and images by digest.
    """
    from ..host.atomic_files import write_atomically
    from ..site.export import export_site
    from ..site.file import as_text
    from ..site.texts import left_out

    site = export_site()
    write_atomically(file, as_text(site), "or name another file.")
    print(
        f"{file}: relion-dispatch {site.dispatcher}, {len(site.site)} files of the site, "
        f"{len(site.shipped)} shipped files, {len(site.images)} images"
    )
    for path in left_out():
        print(f"left out: {site.folder}/{path}")
    for image in site.images:
        if image.problem:
            print(f"warning: {image}: {image.problem}")
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

    Then it is shown what is equal to it.
    """
    from ..config.site import load_site
    from ..site.file import read
    from ..site.rebuild import build_missing, enter_places, find_places, write_texts

    exported = read(file)
    places = find_places(exported, images or [])
    # deploy/install.sh lists these lines in its manifest.
    for path in write_texts(exported):
        print(f"wrote: {path}", flush=True)
    enter_places(places)
    if build:
        for sentence, built in build_missing(places, load_site()):
            print(sentence, flush=True)
            if built:
                print(f"wrote: {built}", flush=True)
    return _print_comparison(exported)


@site_app.command("compare")
def compare(file: File) -> int:
    """Show where an exported site and this one differ. Changes nothing."""
    from ..site.file import read

    return _print_comparison(read(file))


def _print_comparison(exported: SiteFile) -> int:
    from ..config.site import load_site
    from ..site.comparison import compare
    from ..site.export import apptainer_version
    from .text_table import text_table

    rows = compare(exported, apptainer_version(load_site()))
    unequal = [row for row in rows if row.state != "equal"]
    # What is to be looked at stands last.
    ordered = [row for row in rows if row.state == "equal"] + unequal
    print(text_table([(row.state, row.what, row.note) for row in ordered]))
    print(f"{len(rows) - len(unequal)} of {len(rows)} are equal.")
    return NOT_ALL_EQUAL if unequal else 0
