"""The library beside a job script: the shell that looks after a job, joined from its parts.

``job_template/library/*.sh`` by name, then ``functions.sh`` of the scheduler's folders, its own
last, then the known endings. A site's own folder wins file by file. Job scripts hold the digest of
the whole.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import NamedTuple

from markupsafe import Markup

from ..config.endings import Ending, load_endings
from ..config.places import files_in, own_path, shipped_folder, template_folders
from ..errors import ConfigError
from ..relion.submission import SUBMISSION

__all__ = ["LIBRARY", "Library", "joined", "read_library", "shell_function", "shell_functions",
           "shell_part"]  # fmt: skip

LIBRARY = f"{SUBMISSION}.lib"


class Library(NamedTuple):
    """The library's text, and the endings that it knows."""

    text: str
    endings: tuple[Ending, ...]

    @property
    def sha256(self) -> str:
        """The digest of the text, which ends with one line break."""
        return hashlib.sha256(self.text.encode(errors="surrogateescape")).hexdigest()


def read_library(*schedulers: str) -> Library:
    """The library of a job whose scheduler has these folders of templates, its own first.

    Of a function that several of them have, the first folder's holds: bash takes the last one read.

    Raises:
        ConfigError: endings.json is wrong, or the site's job_template cannot be read.
    """
    endings = tuple(load_endings().values())
    paths = [path for each in template_folders() for path in files_in(each / "library", ".sh")]
    names = [f"library/{name}" for name in sorted({path.name for path in paths})]
    names += [f"schedulers/{scheduler}/functions.sh" for scheduler in reversed(schedulers)]
    parts = [_text(name) for name in names]
    return Library(joined(filter(None, parts), endings), endings)


def joined(parts: Iterable[str], endings: Iterable[Ending]) -> str:
    """The parts without shellcheck's directives, and ``known_endings``: pattern, sentence and
    kind by turns, a line each. Ends with one line break."""
    every = [(each.pattern, each.sentence, each.kind or "") for each in endings]
    lines = [line for each in every for line in each]
    known = ["known_endings() {", "    cat <<'END_OF_ENDINGS'", *lines, "END_OF_ENDINGS", "}"]
    return "\n\n".join([*(_functions(part) for part in parts), "\n".join(known)]) + "\n"


def shell_part(name: str) -> Markup:
    """One file of the library for a script that has it in itself, as the watcher's."""
    return Markup(_functions(_text(f"library/{name}.sh")) + "\n")


def shell_function(name: str, *parts: str) -> Markup:
    """One function of the library, from the first of these parts that has it."""
    return _function(name, map(_text, parts))


def _function(name: str, texts: Iterable[str]) -> Markup:
    for text in texts:
        function = rf"^{name}\(\) (\{{.*\}}$|\{{(?: #.*)?\n(?s:.*?)^\}}$)"
        if found := re.search(function, text, re.MULTILINE):
            return Markup(found[0])
    raise AssertionError(name)


def shell_functions(part: str, *names: str) -> Markup:
    """Some functions of one shipped file of the library, for a script that has them in itself."""
    text = (shipped_folder() / "job_template" / "library" / f"{part}.sh").read_text("utf-8")
    return Markup("\n").join(_function(name, [text]) for name in names)


def _text(name: str) -> str:
    """What stands in the site's own file of that name, else in the shipped one; "" if none is."""
    path = own_path(f"job_template/{name}") or shipped_folder() / "job_template" / name
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read ({error.strerror}): let all users read the file."
        ) from error


def _functions(part: str) -> str:
    """A part without what its first line tells shellcheck."""
    first, _, rest = part.partition("\n")
    return (rest if first.startswith("# shellcheck ") else part).strip()
