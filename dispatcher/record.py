"""``JOB/dispatch.json``: the plan as carried out. Earlier records of a job are kept beside it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from .errors import SubmitError

__all__ = ["keep_previous", "write_atomically", "write_record"]


def write_record(path: Path, content: dict[str, Any]) -> None:
    """Write the record whole, or not at all.

    Raises:
        SubmitError: the folder cannot be written, or the disk is full.
    """
    write_atomically(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def write_atomically(path: Path, text: str) -> None:
    """Write `text` to a temporary file and rename it to `path`.

    Raises:
        SubmitError: as for :func:`write_record`.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8", errors="surrogateescape")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise SubmitError(
            f"{path} cannot be written ({error.strerror}): free space or mend the folder's "
            "permissions, and submit the job again."
        ) from error


def keep_previous(path: Path) -> None:
    """Rename an existing file to ``NAME.1``, ``NAME.2``, …: a continued job keeps its history.

    Raises:
        SubmitError: it cannot be renamed.
    """
    if not path.exists():
        return
    number = 1
    while path.with_name(f"{path.name}.{number}").exists():
        number += 1
    try:
        path.rename(path.with_name(f"{path.name}.{number}"))
    except OSError as error:
        raise SubmitError(
            f"{path} cannot be kept as {path.name}.{number} ({error.strerror})."
        ) from error
