"""``relion-dispatch site init``: a site.json from what the scheduler tells."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .site_environment import print_refreshed

if TYPE_CHECKING:
    from ..site.init.content import NewSite

__all__ = ["init"]

NOT_EQUAL = 3  # as of 'site import' and 'site compare': the file that is there stays, and differs


def init(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FOLDER]",
            show_default=False,
            help="The site's folder, which is made if need be. Default: this site's.",
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Ask this scheduler; 'local' for this machine alone. Default: who answers.",
        ),
    ] = None,
    images: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER",
            help="Add the images in and below this folder to the catalogue. Repeatable.",
        ),
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Add what the site.json that is there lacks.")
    ] = False,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Replace the site.json that is there, and keep a copy."),
    ] = False,
    only_print: Annotated[
        bool, typer.Option("--print", help="Print the new site.json, and write nothing.")
    ] = False,
) -> int:
    """Ask the scheduler, and write a site.json that works.

    Each guess has a comment in the file; what nobody could tell is printed. A site.json that is
    there stays as it is, unless --update or --replace says otherwise: then the command prints how
    it differs, and ends with status 3.
    """
    from ..config.json_edit import laid_out
    from ..config.site import load_site
    from ..errors import InputError
    from ..printable import printable
    from ..site.init.sources import new_site

    if update and replace:
        raise InputError("--update and --replace exclude each other: give one of the two.")
    for each in images or []:
        if not each.is_dir():
            raise InputError(f"{each} is not a folder: give --images a folder that has images.")
    if folder is not None and not only_print:
        _make(folder)
    if folder is not None and folder.is_dir():
        os.environ["RELION_DISPATCH_SITE"] = str(folder.absolute())
    source, site = new_site(scheduler, load_site().schedulers)
    if only_print:
        print(laid_out(site.content), end="")
        return 0
    print(f"asked: {printable(source)}")
    status = _write(site, update, replace)
    print_refreshed()
    for sentence in site.unknown:
        print(f"not known: {printable(sentence)}")
    if images:
        _add_images(images)
    print("next: look at the comments in site.json, and run `relion-dispatch check`")
    return status


def _make(folder: Path) -> None:
    from ..errors import WriteError
    from ..host.shared_trees import make_folders

    try:
        make_folders(folder.absolute())
    except OSError as error:
        raise WriteError(
            f"The site's folder {folder} cannot be made ({error.strerror}): name another folder."
        ) from error


def _write(site: NewSite, update: bool, replace: bool) -> int:
    from ..printable import printable
    from ..site.init import write
    from ..site.init.merge import differences

    path, there = write.site_json(), write.present()
    if not there:
        write.write(site.content)
        print(f"wrote: {path}")
        return 0
    if replace:
        print(f"kept: {write.replace(site.content)}")
        print(f"wrote: {path}")
        return 0
    if update:
        for key in write.add_missing(site.content):
            print(f"added: {printable(key)}")
    different = list(differences(write.present(), site.content))
    for key, mine, other in different:
        has = "has nothing there" if mine is None else f"has {json.dumps(mine, ensure_ascii=False)}"
        print(f"differs: {printable(key)}: {json.dumps(other, ensure_ascii=False)}; {path} {has}")
    if not different:
        print(f"equal: {path} says all that")
    elif not update:
        print(f"unchanged: {path}. --update adds what it lacks, --replace writes it anew")
    return NOT_EQUAL if different else 0


def _add_images(folders: list[Path]) -> None:
    from ..config.site import load_site
    from ..errors import DispatchError
    from ..site.init.found_images import add_found, sif_files

    files = sif_files(folders)
    if not files:
        print(f"not known: Which images there are: no file in {', '.join(map(str, folders))} ends "
              "in .sif.")  # fmt: skip
    for path, added in add_found(files, load_site()):
        if isinstance(added, DispatchError):
            print(f"left out: {path}: {added}", flush=True)
        else:
            mark = " (the default)" if added.listed.is_default else ""
            print(f"image: {added.listed}{mark}: {path}", flush=True)
