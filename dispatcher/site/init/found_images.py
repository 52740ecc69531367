"""Which images in the folders that the admin names go into the catalogue?"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from ...config.site import Site
from ...errors import DispatchError
from ...images.add import Added, NewImage, add
from ...images.inspect import inspect

__all__ = ["add_found", "sif_files"]


def sif_files(folders: Iterable[Path]) -> list[Path]:
    """The SIFs in and below these folders, sorted; each file once, whatever leads to it."""
    found: dict[Path, Path] = {}
    for folder in folders:
        for above, below, names in os.walk(folder.absolute()):
            below.sort()
            for name in sorted(names):
                path = Path(above, name)
                if name.endswith(".sif") and path.is_file():
                    found.setdefault(path.resolve(), path)
    return sorted(found.values())


def add_found(files: Iterable[Path], site: Site) -> Iterator[tuple[Path, Added | DispatchError]]:
    """Add each file with what it says of itself; the error of one that cannot be added."""
    for path in files:
        try:
            yield path, add(path, inspect(path, site), NewImage())
        except DispatchError as error:
            yield path, error
