"""The library beside a job script: the shell that looks after a job, joined from its parts.

``job_template/library/*.sh`` by name, then ``functions.sh`` of the scheduler's folder, then the
known endings. A site's own folder wins file by file. Job scripts hold the digest of the whole.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup

from ..config.endings import Ending, load_endings
from ..config.places import template_folders
from ..relion.submission import SUBMISSION

__all__ = ["LIBRARY", "Library", "joined", "read_library", "scheduler_function", "shell_part"]

LIBRARY = f"{SUBMISSION}.lib"


class Library(NamedTuple):
    """The library's text, and the endings that it knows."""

    text: str
    endings: tuple[Ending, ...]

    @property
    def sha256(self) -> str:
        """The digest of the text, which ends with one line break."""
        return hashlib.sha256(self.text.encode(errors="surrogateescape")).hexdigest()


def read_library(scheduler: str) -> Library:
    """The library of a job whose directives are those of `scheduler`.

    Raises:
        ConfigError: endings.json is wrong, or the site's job_template is no folder.
    """
    endings = tuple(load_endings().values())
    folders = template_folders()
    names = {f"library/{path.name}" for folder in folders for path in folder.glob("library/*.sh")}
    paths = [_first(folders, name) for name in sorted(names)]
    paths.append(_first(folders, f"schedulers/{scheduler}/functions.sh"))
    parts = [path.read_text(encoding="utf-8", errors="surrogateescape") for path in paths if path]
    return Library(joined(parts, endings), endings)


def joined(parts: Iterable[str], endings: Iterable[Ending]) -> str:
    """The parts without shellcheck's directives, and ``known_endings``: pattern and sentence by
    turns, a line each. Ends with one line break."""
    lines = [line for ending in endings for line in (ending.pattern, ending.sentence)]
    known = ["known_endings() {", "    cat <<'END_OF_ENDINGS'", *lines, "END_OF_ENDINGS", "}"]
    return "\n\n".join([*(_functions(part) for part in parts), "\n".join(known)]) + "\n"


def shell_part(name: str) -> Markup:
    """One file of the library for a script that has it in itself, as the watcher's."""
    path = _first(template_folders(), f"library/{name}.sh")
    assert path is not None
    return Markup(_functions(path.read_text(encoding="utf-8")) + "\n")


def scheduler_function(scheduler: str, name: str) -> Markup:
    """One function that the scheduler's folder has, or the library for all schedulers."""
    folders = template_folders()
    for part in (f"schedulers/{scheduler}/functions.sh", "library/scheduler.sh"):
        path = _first(folders, part)
        text = path.read_text(encoding="utf-8") if path else ""
        if found := re.search(rf"^{name}\(\) (\{{.*\}}$|\{{\n(?s:.*?)^\}}$)", text, re.MULTILINE):
            return Markup(found[0])
    raise AssertionError(name)


def _first(folders: Iterable[Path], name: str) -> Path | None:
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def _functions(part: str) -> str:
    """A part without what its first line tells shellcheck."""
    first, _, rest = part.partition("\n")
    return (rest if first.startswith("# shellcheck ") else part).strip()
