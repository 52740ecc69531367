"""Which files of the site's folder does nothing read, because of their names or their places?

Told of are templates, and what nearly has the name of one of our files and folders. What people
keep beside these is not: backups, and a copy of a file that is there under its right name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from itertools import takewhile
from pathlib import Path, PurePath

from jinja2 import TemplateSyntaxError, meta

from ..config.job_types import JobTypes
from ..config.json_files import nearest
from ..config.places import files_in, shipped_folder, site_folder
from ..config.scheduler import template_folders_of
from ..config.site import Site
from ..job_script.scheduler_templates import scheduler_templates
from ..job_script.templates import environment
from .archive import OWN_FILES, OWN_FOLDERS

__all__ = ["unread_files"]

_KEPT = re.compile(
    r"^[.#]|~$|[._-](bak|backup|copy|disabled|dpkg-\w+|example|off|old|orig|rpm\w+|sample|save"
    r"|[0-9]+$)(?![a-z])",
    re.IGNORECASE,
)
_OURS = {".j2", ".json", ".def"}  # a folder is meant for us only if it has such files, or these:
_BELOW = {"library", "schedulers"}
_NO_TEMPLATES = {"images", "projects", "library", "parts"}  # parts/ of 0.1.0 is told of elsewhere
_DEEPEST = 4  # folders in each other
_NEAR = 0.8  # of difflib's likeness: a slip of the pen, not another name


def unread_files(site: Site, types: JobTypes) -> Iterator[str]:
    """A sentence for each file and folder that seems to be meant for us, and is not read."""
    top, schedulers = site_folder(), site.schedulers
    in_order = dict.fromkeys([site.scheduler, *schedulers])
    misspelt = {
        **_misspelt(top, [*OWN_FILES, *OWN_FOLDERS]),
        **_misspelt(top / "schedulers", [f"{name}.json" for name in schedulers]),
        **_misspelt(top / "containers", ["recipes.json"]),
    }
    for path, name in misspelt.items():
        yield f'{path}: nothing reads this {_kind(path)}; did you mean "{name}"? Rename it.'
    read = (folder for name in in_order for folder in template_folders_of(name, schedulers))
    folders = list(dict.fromkeys(read))
    unread = _unread_folders(top / "job_template" / "schedulers", folders)
    for folder in unread:
        yield (
            f"{folder}: no scheduler reads this folder"
            f'{nearest(folder.name, sorted(folders)) or ":"} Name the folder in "directives" of a '
            "scheduler, or rename it."
        )
    told = {*misspelt, *unread}
    files = [path for path in _templates(top) if not told.intersection((path, *path.parents))]
    yield from _of_templates(files, _read_templates(types, folders), top / "job_template")


def _kind(path: Path) -> str:
    return "folder" if path.is_dir() else "file"


def _misspelt(folder: Path, known: Sequence[str]) -> dict[Path, str]:
    """What nearly has one of the known names that nothing in the folder has, and that name."""
    there = set(_names(folder))
    missing = [name for name in known if name not in there]
    found = {}
    for name in sorted(there.difference(known)):
        path = folder / name
        ours = not path.is_dir() or any(
            each in _BELOW or PurePath(each).suffix in _OURS for each in _names(path)
        )
        if ours and not _KEPT.search(name) and (near := _near(name, missing)):
            found[path] = near
    return found


def _near(name: str, names: Iterable[str]) -> str | None:
    return next(iter(get_close_matches(name.lower(), list(names), n=1, cutoff=_NEAR)), None)


def _names(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except OSError:  # what has to be readable is told of elsewhere
        return []


def _unread_folders(schedulers: Path, read: Iterable[str]) -> list[Path]:
    """The folders of templates that no scheduler has."""
    files = files_in(schedulers, ".j2", ".sh", below=True)
    places = (path.relative_to(schedulers).parts for path in files)
    names = {parts[0] for parts in places if len(parts) > 1}
    return [schedulers / name for name in sorted(names.difference(read))]


def _templates(top: Path) -> Iterator[Path]:
    """All templates of the site's folder, wherever they are, but for backups."""
    for folder, below, names in os.walk(top):
        here = PurePath(folder).relative_to(top).parts
        below[:] = sorted(
            name for name in below if name not in _NO_TEMPLATES and not _KEPT.search(name)
        )
        if len(here) >= _DEEPEST:
            below.clear()
        endings = (".j2", ".sh") if "schedulers" in here else (".j2",)
        for name in sorted(names):
            if name.endswith(endings) and not _KEPT.search(name):
                yield Path(folder, name)


def _read_templates(types: JobTypes, folders: Sequence[str]) -> list[str]:
    """The names, below job_template/, of the templates that are looked for."""
    shipped = shipped_folder() / "job_template"
    of_schedulers = scheduler_templates(folders).values()
    return [
        *(str(path.relative_to(shipped)) for path in files_in(shipped, ".j2")),
        *(f"{name}.sh.j2" for name in types.types),
        *(f"{kind.template}.sh.j2" for kind in types.types.values() if kind.template),
        *(name for names in of_schedulers for name in names),
        *(f"schedulers/{folder}/functions.sh" for folder in folders),
    ]


def _of_templates(files: Iterable[Path], read: Sequence[str], folder: Path) -> Iterator[str]:
    """A sentence for each of the files that is not one of the templates that are read."""
    inside = {str(path.relative_to(folder)): path for path in files if folder in path.parents}
    names = {PurePath(name).name for name in inside}
    named = _named_by_others(inside.values(), folder)
    missing = [name for name in read if name not in inside]
    for path in files:
        is_inside = folder in path.parents
        place = path.relative_to(folder if is_inside else folder.parent)
        if is_inside and (str(place) in read or named is None or str(place) in named):
            continue
        if right := _right_place(place, missing):
            yield f"{path}: nothing reads this file: move it to {folder / right}."
        elif is_inside:
            yield (
                f"{path}: nothing reads this file, because no job type has this name or names it "
                'in "template", and no template extends or includes it: rename the file, or '
                "remove it."
            )
        elif path.name not in names:
            yield f"{path}: nothing reads this file: move it into {folder}, where templates are."


def _named_by_others(templates: Iterable[Path], folder: Path) -> set[str] | None:
    """The names of the templates that others extend or include; None if that is not certain."""
    env, found = environment([folder]), set[str]()
    for path in templates:
        try:
            names = meta.find_referenced_templates(env.parse(path.read_text(errors="replace")))
            for name in names:
                if name is None:  # an expression
                    return None
                found.add(name)
        except (OSError, TemplateSyntaxError):
            return None  # told elsewhere
    return found


def _right_place(place: PurePath, missing: Sequence[str]) -> str | None:
    """The one of the missing templates that this one seems to be: with the same name elsewhere, or
    nearly the same name in the same folder."""
    same = [PurePath(each) for each in missing if PurePath(each).name == place.name]
    if same:
        return str(max(same, key=lambda each: _steps_shared(each, place)))
    stems = {
        PurePath(each).name.partition(".")[0]: each
        for each in missing
        if PurePath(each).parent == place.parent
    }
    return stems.get(_near(place.name.partition(".")[0], stems) or "")


def _steps_shared(one: PurePath, other: PurePath) -> int:
    """How many parts are the same, from the file's name upwards."""
    pairs = zip(reversed(one.parts), reversed(other.parts), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
