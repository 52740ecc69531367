"""Are a job's inputs still what they were when it was dispatched?"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from ..errors import InputError
from ..host.shared_files import opened_input
from ..host.shell_words import quote
from ..relion.file_names import is_star
from ..units import count
from .named_files import named_files
from .recorded_job import RecordedFile, RecordedJob

__all__ = ["Inputs", "checked_inputs"]


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a job read.

    Attributes:
        files: path as in the command → size in bytes and sha256 of the file.
        named: paths that these, as STAR files, name.
        accepted: changed inputs that the user takes as they are, with the reason.
    """

    files: dict[str, tuple[int, str]] = field(default_factory=dict)
    named: tuple[str, ...] = ()
    accepted: dict[str, str] = field(default_factory=dict)


def checked_inputs(job: RecordedJob, accepted: Collection[str]) -> Inputs:
    """Compare the inputs of a job's record with the files of today.

    A file with the recorded digest is the same; or, if none was recorded, one with the recorded
    size and time. Files named in STAR files are the same if they are there, and not newer than the
    dispatch. `accepted` are names or patterns (``Micrographs/*``) of files that may differ.

    Raises:
        InputError: an input is not, or cannot be shown to be, the same.
    """
    place = job.place
    changes = {each.path: _change(each, place.now_at(each.path)) for each in job.inputs}
    changes |= dict.fromkeys(_unrecorded(job, changes), "did not exist when the job was dispatched")
    outputs = set(_outputs(job, changes))
    changed = {path: why for path, why in changes.items() if why and path not in outputs}
    same = [path for path, why in changes.items() if not why and path not in outputs]
    named: dict[str, None] = {}
    for path in [*same, *changed]:
        if is_star(path) and place.now_at(path).is_file():
            for name, needed in named_files(place.now_at(path), place.now).items():
                named[name] = None
                if why := _named_change(place.now_at(name), needed, job.dispatched):
                    changed.setdefault(name, f"{why} (named in {path})")
    refused = {
        path: why
        for path, why in changed.items()
        if path not in accepted and not any(fnmatch(path, a) for a in accepted)
    }
    if refused:
        path, why = next(iter(refused.items()))
        others = len(refused) - 1
        more = (
            f"; {count(others, 'more input')} differ{'s' if others == 1 else ''}" if others else ""
        )
        raise InputError(
            f"The input {path} of {job.name} {why}{more}: put back the file that the job read, or "
            f"accept the file as it is now: --accept-changed {quote(path)}."
        )
    return Inputs(
        files={
            path: (place.now_at(path).stat().st_size, _digest(place.now_at(path))) for path in same
        },
        named=tuple(name for name in named if name not in changed and name not in same),
        accepted=changed,
    )


def _change(recorded: RecordedFile, path: Path) -> str | None:
    """What differs between a recorded input and the file of today; None for nothing."""
    try:
        found = path.stat()
    except OSError as error:
        return f"can no longer be read ({error.strerror})"
    if found.st_size != recorded.size:
        return f"has changed: it has {found.st_size} bytes, and had {recorded.size}"
    if recorded.sha256:
        digest = _digest(path)
        if digest != recorded.sha256:
            return f"has changed: its sha256 is {digest}, and was {recorded.sha256}"
    elif found.st_mtime_ns != recorded.mtime:
        return (
            "cannot be shown to be the same: it was written or copied since then, and it was too "
            "large for its digest to be recorded"
        )
    return None


def _named_change(path: Path, needed: bool, dispatched: int) -> str | None:
    try:
        found = path.stat()
    except (OSError, ValueError) as error:  # a zero byte in its name
        why = error.strerror if isinstance(error, OSError) else "no file can have this name"
        return f"can no longer be read ({why})" if needed else None
    # The record's time has whole seconds.
    if found.st_mtime_ns // 10**9 > dispatched:
        return "cannot be shown to be the same: it was written after the job was dispatched"
    return None


def _unrecorded(job: RecordedJob, recorded: Collection[str]) -> Iterator[str]:
    """Files outside the job's folder that the commands name and the record does not know."""
    for command in job.commands:
        for word in map(str, command.arguments):
            path = job.place.within(word)
            if word not in recorded and path.suffix and not path.is_relative_to(job.name):
                with suppress(OSError, ValueError):  # a word that is no path at all
                    if job.place.now_at(word).is_file():
                        yield word


def _outputs(job: RecordedJob, changes: Mapping[str, str | None]) -> Iterator[str]:
    """Recorded files of the job's own folder that it writes: they were there already, from an
    earlier run in the same folder. What a job is continued from is none of them."""
    continued = {command.value("continue") for command in job.commands}
    written = {
        str(word)
        for command in job.commands
        for option, word in zip(command.arguments, command.arguments[1:], strict=False)
        if str(option).lstrip("-").startswith("o")
    }
    for path, change in changes.items():
        own = job.place.within(path).is_relative_to(job.name)
        if own and path not in continued and (change or path in written):
            yield path


def _digest(path: Path) -> str:
    try:
        with opened_input(path) as stream:
            digest = hashlib.sha256()
            while block := stream.read(1 << 20):
                digest.update(block)
            return digest.hexdigest()
    except OSError as error:
        raise InputError(f"The input {path} cannot be read ({error.strerror}).") from error
