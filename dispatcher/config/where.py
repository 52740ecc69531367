"""Where in a site's file something stands, as errors name it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

__all__ = ["Where"]


class Where(NamedTuple):
    """A file, and what it is about there.

    >>> where = Where("site.json").at("mpi")
    >>> str(where.at("mpirun"))
    'site.json: key "mpi.mpirun"'
    >>> str(Where("dispatch_config.json", entry='job type "refine"').at("image"))
    'dispatch_config.json: job type "refine", key "image"'

    Attributes:
        file: the file, or its path.
        key: the key in the entry, its parents before it with dots between; "" for none.
        entry: the entry of the file; "" for the file as a whole.
    """

    file: Path | str
    key: str = ""
    entry: str = ""

    def at(self, name: str) -> Where:
        """A key one level below."""
        return self._replace(key=f"{self.key}.{name}" if self.key else name)

    def __str__(self) -> str:
        inside = [self.entry] if self.entry else []
        if self.key:
            inside.append(f'key "{self.key}"')
        return f"{self.file}: {', '.join(inside)}" if inside else str(self.file)
