"""The files in the site's folder from which users' shells and modules learn of RELION's window.

What an installation has in ``share/`` is the same until its next version, and reads these.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ...config.configuration import load_configuration
from ...config.places import site_folder
from ...errors import DispatchError, InputError, WriteError
from ...host.atomic_files import write_atomically
from ...host.shared_files import read_file
from ...host.shared_trees import make_folders
from ...planning.window_variables import WindowVariables, window_variables
from .shells import LANGUAGES, as_list

__all__ = ["folder", "outdated", "refresh", "write"]

_LONGEST = 1 << 20  # bytes of such a file


def folder() -> Path:
    """Where they are."""
    return site_folder() / "window"


def write(variables: WindowVariables) -> Iterator[Path]:
    """Write the files that say something else; yields the path of each.

    Raises:
        InputError: there is no folder of the site.
        WriteError: it cannot be written.
    """
    if not site_folder().is_dir():
        raise InputError(
            f"The site's folder {site_folder()} does not exist: make it with "
            "`relion-dispatch site init`, or name another in the variable RELION_DISPATCH_SITE."
        )
    then = "and run `relion-dispatch site environment`."
    try:
        make_folders(folder())
    except OSError as error:
        raise WriteError(
            f"{folder()} cannot be made ({error.strerror}): correct the folder's "
            f"permissions, {then}"
        ) from error
    for path, content in _contents(variables).items():
        if _content(path) != content:
            write_atomically(path, content, then, 0o644, shared=True)
            yield path


def refresh() -> Iterator[Path]:
    """As :func:`write`, for the site as it is now, if an installation here reads such files.

    Raises:
        ConfigError: the site's configuration is wrong.
        InputError, WriteError: as for :func:`write`.
    """
    if _are_read():
        yield from write(window_variables(load_configuration()))


def outdated() -> Iterator[str]:
    """A sentence if users load another window than site.json describes."""
    if not _are_read():
        return
    try:
        wanted = _contents(window_variables(load_configuration()))
    except DispatchError:  # told of elsewhere
        return
    if any(_content(path) != content for path, content in wanted.items()):
        yield (
            f"What users load for RELION's window ({folder()}) is not what site.json "
            "says now: run `relion-dispatch site environment`. Users get it with their next login "
            "or `module load`; windows that are open keep their fields."
        )


def _are_read() -> bool:
    """An installation names its submission template to its commands (deploy/environment)."""
    return "RELION_DISPATCH_TEMPLATE" in os.environ or (folder()).is_dir()


def _contents(variables: WindowVariables) -> dict[Path, bytes]:
    texts = {
        "window.sh": LANGUAGES["sh"](variables),
        "window.csh": LANGUAGES["csh"](variables),
        "window.txt": as_list(variables),
    }
    return {folder() / name: text.encode() for name, text in texts.items()}


def _content(path: Path) -> bytes | None:
    """None if it cannot be read."""
    try:
        return read_file(path, _LONGEST)
    except OSError:
        return None
