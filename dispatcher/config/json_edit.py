"""Changing a JSON file of the site: one admin at a time, whole or not at all, comments kept.

A file that does not load is not touched, and none that would not load is written.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import ConfigError, WriteError
from ..host.atomic_files import remove_unfinished
from ..host.file_lock import locked
from ..host.shared_files import shared_folder
from ..host.users import owner_of
from .json_files import SCHEMA, content_of
from .schema_address import schema_address

__all__ = ["COMMENT", "check_folder", "edit", "held", "laid_out", "without_comments"]

COMMENT = "__comment__"

_WIDTH = 100  # columns
_STEP = "  "


def check_folder(path: Path, what: str) -> None:
    """Check that this user may write the file `path`, called `what` in the sentences.

    Raises:
        ConfigError: the site's folder does not exist.
        WriteError: this user may not write there.
    """
    folder = Path(os.path.realpath(path)).parent
    if not folder.is_dir():
        raise ConfigError(
            f"The {what} {path} cannot be written, because the folder {folder} does not exist: "
            "make the folder, or name the site's folder in the variable RELION_DISPATCH_SITE."
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        admin = owner_of(folder)
        raise WriteError(
            f"The {what} {path} cannot be changed, because you have no permission to write to the "
            f"folder {folder}: run this command as {admin}, or name your own site in the variable "
            "RELION_DISPATCH_SITE."
        )


@contextmanager
def held(path: Path, what: str, seconds: float = 30) -> Iterator[None]:
    """Hold the lock of the file `path`, called `what` in sentences, while the block runs.

    Raises:
        WriteError: it cannot be locked, or another does not let go of it.
    """
    target = Path(os.path.realpath(path))
    with locked(target.with_name(f"{path.name}.lock"), f"The {what} {path}", seconds):
        yield


@contextmanager
def edit(
    path: Path,
    what: str,
    load: Callable[[Path], object],
    check: Callable[[dict[str, Any]], object],
    seconds: float = 30,
) -> Iterator[dict[str, Any]]:
    """The content of the file `path`, to be changed in the block and then written.

    `what` is the file's name in sentences; `load` raises if the file is wrong as it is, `check` if
    the new content (without comments) would be wrong. ``__comment__`` keys are in the content, too:
    those of one object as one list. A new file names its schema. This waits at most
    `seconds` for somebody else's change. An error in the block leaves the file as it was.

    Raises:
        ConfigError: the file does not load, before or after, or was changed without the lock.
        WriteError: it cannot be written, or another does not let go of it.
    """
    target = Path(os.path.realpath(path))
    with held(path, what, seconds):
        raw = _read(target)
        if raw is not None:
            load(path)
        content = _parsed(raw or b"{}")
        before = copy.deepcopy(content)
        yield content
        if content == before and raw is not None:
            return
        check(without_comments(content))
        if _read(target) != raw:
            raise ConfigError(
                f"{path} was changed by someone else meanwhile, so this command changed nothing: "
                "try again."
            )
        schema = {SCHEMA: schema_address(path.stem, path)} if raw is None else {}
        _write(target, path, what, laid_out({**schema, **content}))


def _read(path: Path) -> bytes | None:
    return content_of(path) if os.path.lexists(path) else None


def _parsed(raw: bytes) -> dict[str, Any]:
    # It has been loaded before, so that it is JSON and not too deep.
    found: dict[str, Any] = json.loads(raw, object_pairs_hook=_with_comments)
    return found


def _with_comments(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    comments = [value for key, value in pairs if key == COMMENT]
    content = dict(pairs)
    if len(comments) > 1:
        each = [value if isinstance(value, list) else [value] for value in comments]
        content[COMMENT] = [line for lines in each for line in lines]
    return content


def without_comments(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a file that is edited, as it is checked and loaded."""
    return {key: value for key, value in _uncommented(content).items() if key != SCHEMA}


def _uncommented(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _uncommented(each) for key, each in value.items() if key != COMMENT}
    return [_uncommented(each) for each in value] if isinstance(value, list) else value


def _write(target: Path, path: Path, what: str, text: str) -> None:
    """Write the file for all admins: those who may change the folder may change the file."""
    try:
        remove_unfinished(target.parent, [target.name])
        with shared_folder(target.parent) as folder:
            # Every user's jobs read the file, whatever the admin's umask.
            folder.replace(target.name, text.encode(), 0o644, shared=True, synced=True)
    except (OSError, UnicodeEncodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "a name is not in UTF-8"
        raise WriteError(
            f"The {what} {path} cannot be written ({why}) and is unchanged: free space on the disk "
            f"or correct the permissions of {target.parent}, and try again."
        ) from error


def laid_out(content: Mapping[str, Any]) -> str:
    """The object as text: keys in the order they have, and a new line at the end."""
    return _lines(content, "", 0) + "\n"


def _lines(value: Any, margin: str, used: int) -> str:
    """`value` as text on lines that begin with `margin`, the first with `used` columns taken."""
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or not value:
        return line
    inner = margin + _STEP
    if margin and _is_flat(value) and used + len(line) < _WIDTH:
        return line
    if isinstance(value, list):
        if not any(isinstance(each, dict | list) for each in value):
            return f"[\n{_filled(value, inner)}\n{margin}]"
        items = [inner + _lines(each, inner, len(inner)) for each in value]
        return "[\n" + ",\n".join(items) + f"\n{margin}]"
    items = []
    for key, each in value.items():
        start = f"{inner}{json.dumps(key, ensure_ascii=False)}: "
        items.append(start + _lines(each, inner, len(start)))
    return "{\n" + ",\n".join(items) + f"\n{margin}}}"


def _is_flat(value: Any) -> bool:
    """Whether there is no object inside."""
    inside = value.values() if isinstance(value, dict) else value
    return not any(isinstance(each, dict) or not _is_flat_list(each) for each in inside)


def _is_flat_list(value: Any) -> bool:
    return not isinstance(value, list) or _is_flat(value)


def _filled(values: list[Any], margin: str) -> str:
    """The values of a long list, as many on each line as fit."""
    lines: list[str] = []
    for number, value in enumerate(values):
        word = json.dumps(value, ensure_ascii=False) + ("," if number < len(values) - 1 else "")
        if lines and len(lines[-1]) + 1 + len(word) <= _WIDTH:
            lines[-1] += f" {word}"
        else:
            lines.append(margin + word)
    return "\n".join(lines)
