"""Why jobs fail and what helps: the shipped ``endings.json``, changed by the site's own.

docs/endings.md describes the keys. The job script looks the patterns up with ``grep -E``. Here
they are only checked, with `re`, and keep to what both read alike.
"""

from __future__ import annotations

import re
from typing import Literal

from ..errors import ConfigError
from .json_files import load, merge, read_json, strict
from .places import own_path, shipped_folder
from .where import Where

__all__ = ["Ending", "load_endings"]

# Where POSIX's extended expressions and Python's part: \d and its like, (?…), lazy repeats,
# classes such as [:space:].
_NOT_IN_BOTH = re.compile(r"\\[A-Za-z0-9<>`']|\(\?|[*+?}][?+]|\[\[?[:.=]")


@strict
class Ending:
    """A known way to fail.

    Attributes:
        pattern: an extended regular expression, looked for line by line in what the job wrote,
            without regard to case.
        cause: what follows "The job failed, because".
        advice: what the user or the admin can do.
        kind: a memory that was full, behind which a job may go on with less; None for all else.
    """

    pattern: str
    cause: str
    advice: str
    kind: Literal["gpu_memory", "host_memory"] | None = None

    @property
    def sentence(self) -> str:
        """Cause and advice, without the full stop."""
        return f"{self.cause}: {self.advice}"


@strict
class _Endings:
    endings: dict[str, Ending]


def load_endings() -> dict[str, Ending]:
    """The known endings in the order in which they are tried: the site's new ones go first.

    Raises:
        ConfigError: a file cannot be read, or says something that is not known or not possible.
    """
    path = shipped_folder() / "config" / "endings.json"
    content = read_json(path)
    if own := own_path("endings.json"):
        path = own
        added = read_json(own)
        new = {name: entry for name, entry in added.items() if name not in content}
        content = {**new, **merge(content, added)}

    def check(found: _Endings) -> None:
        for name, ending in found.endings.items():
            _check(ending, Where(path, entry=f'ending "{name}"'))

    return load(_Endings, {"endings": content}, str(path), _place, check).endings


def _place(steps: object) -> str:
    _, name, *key = steps if isinstance(steps, (list, tuple)) else ("", "")
    return f'ending "{name}"' + (f', key "{".".join(key)}"' if key else "")


def _check(ending: Ending, where: Where) -> None:
    for key in ("pattern", "cause", "advice"):
        value = getattr(ending, key)
        if not value.strip() or re.search(r"[\x00-\x1f\x7f]", value):
            raise ConfigError(f"{where.at(key)}: expected one line of text, found {value!r}")
    pattern = where.at("pattern")
    if found := _NOT_IN_BOTH.search(ending.pattern):
        raise ConfigError(
            f'{pattern}: "{found[0]}" is not part of an extended regular expression (grep -E): '
            "write [0-9] for digits, [A-Za-z0-9_] for letters, [ ] for blanks"
        )
    try:
        matches_anything = re.search(ending.pattern, "") is not None
    except (re.error, OverflowError, RecursionError) as error:
        raise ConfigError(f"{pattern}: {error}: {ending.pattern!r}") from error
    if matches_anything:
        raise ConfigError(
            f"{pattern}: {ending.pattern!r} matches an empty line, so it would match always"
        )
