"""Can the site's users read what their jobs need, or only the admin who asks?

Users are those who can read the site's folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ..config.catalogue import Catalogue
from ..config.places import files_in, own_path, site_folder
from ..config.site import Site
from ..host import programs
from ..host.reach import EVERYBODY, Readers, closed_to, readers_of
from ..host.shell_words import quote

__all__ = ["closed_files"]

_PROGRAM = "the program of Apptainer"


def closed_files(site: Site | None, catalogue: Catalogue | None) -> Iterator[str]:
    """A sentence for each file or folder that a job needs, and that is closed to users."""
    users = _users()
    if not users.everybody and not users.groups:
        return  # a site for its owner alone
    told = set[Path]()
    for what, path in _needed(site, catalogue):
        with suppress(OSError):  # what is missing is told elsewhere
            closed = closed_to(users, path, started=what == _PROGRAM)
            if closed and closed not in told:
                told.add(closed)
                yield _sentence(what, path, closed, users)


def _users() -> Readers:
    folder = site_folder()
    with suppress(OSError):
        return readers_of(folder)
    return EVERYBODY


def _needed(site: Site | None, catalogue: Catalogue | None) -> Iterator[tuple[str, Path]]:
    for path in _own_files():
        yield "the site's file", path
    for listed in catalogue.builds() if catalogue else ():
        yield f"the image {listed}", listed.path
        if listed.weights:
            yield f"the folder of weights of {listed}", listed.weights
    program = site.apptainer.program if site else ""
    if "/" in program and (found := programs.which(program)):
        yield _PROGRAM, Path(found)


def _own_files() -> Iterator[Path]:
    """The site's own files, but for those that the other checks of modes look at."""
    for name in ("dispatch_config.json", "endings.json"):
        if found := own_path(name):
            yield found
    for folder, endings in (("schedulers", (".json",)), ("job_template", (".j2", ".sh"))):
        if found := own_path(folder, folder=True):
            yield found
            yield from files_in(found, *endings, below=True)


def _sentence(what: str, path: Path, closed: Path, users: Readers) -> str:
    whom, who = ("other users", "a") if users.everybody else ("the users of its group", "g")
    mode = f"mode {closed.stat().st_mode & 0o7777:04o}, so that {whom} cannot"
    if closed in (path, path.resolve()):
        bits = "rx" if closed.is_dir() or what == _PROGRAM else "r"
        return (
            f"{what[0].upper()}{what[1:]} ({closed}) has {mode} use it in their jobs: "
            f"`chmod {who}+{bits} {quote(str(closed))}`."
        )
    return (
        f"The folder {closed} has {mode} reach {what} ({path}), which their jobs need: "
        f"`chmod {who}+x {quote(str(closed))}`, or move what they need to another folder."
    )
