"""Take from a job's record what is needed to run the job again.

A record may be a stranger's: each entry has the form that the dispatcher gives it, or the record
counts as damaged. What an honest form may still ask for, unusual.py looks at.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from ..config.largest import MOST_GPUS, MOST_NODES, MOST_RANKS, MOST_THREADS
from ..errors import InputError
from ..jobs.record import RECORD, load_record
from ..relion.command import Command, parse_command
from .entries import entry, names_of_variables, number, sha256, text, texts
from .recorded_container import RecordedContainer, read_container

__all__ = ["JobPlace", "RecordedFile", "RecordedJob", "UsedImage", "read_job"]

_MOST = {
    "nproc": MOST_RANKS, "nthread": MOST_THREADS, "ngpu": MOST_GPUS, "nodes": MOST_NODES
}  # fmt: skip
_NOT_SAME = "so a second run cannot be shown to be the same."


class JobPlace(NamedTuple):
    """A project's path when a job ran, and its path now."""

    was: Path
    now: Path

    def now_at(self, path: str | Path) -> Path:
        """The file of today for a path that a command or a STAR file of the project has."""
        return self.now / self.within(path)

    def within(self, path: str | Path) -> Path:
        """The path relative to the project if it is in there, else unchanged."""
        path = Path(path)
        return path.relative_to(self.was) if path.is_relative_to(self.was) else path


class UsedImage(NamedTuple):
    """The image of a job: its name, version and variant, and its file then (`size` in bytes)."""

    name: str
    version: str
    variant: str
    path: Path
    sha256: str
    size: int | None


class RecordedFile(NamedTuple):
    """A file as it was: its path as in the command, bytes, nanoseconds since 1970, and digest."""

    path: str
    size: int
    mtime: int
    sha256: str | None


class RecordedJob(NamedTuple):
    """What is needed of a record.

    Attributes:
        name: ``Refine3D/job019``.
        file: the record.
        place: the project's folder, then and now.
        image: the image.
        commands: in the order in which they ran.
        container: what their containers were given, and what started their ranks.
        inputs: the files named in the commands.
        environment: names of the variables that were let through into the container; None if the
            record is older than this key.
        dispatched: when, in seconds since 1970.
        first_run: when, by whom, from where and with which versions it was dispatched, in words.
        nproc, nthread, ngpu, nodes: ranks, threads of each, GPUs per node, nodes.
        uses_mpi, mps: whether it ran as several ranks, and whether these shared GPUs through MPS.
        scheduler: the site's name of the scheduler that ran the job.
    """

    name: str
    file: Path
    place: JobPlace
    image: UsedImage
    commands: tuple[Command, ...]
    container: RecordedContainer
    inputs: tuple[RecordedFile, ...]
    environment: tuple[str, ...] | None
    dispatched: int
    first_run: str
    nproc: int
    nthread: int
    ngpu: int
    nodes: int
    uses_mpi: bool
    mps: bool
    scheduler: str


def read_job(path: Path) -> RecordedJob:
    """Read the record of a job, given its folder (an alias does) or one of its records.

    Raises:
        InputError: there is no record, or it lacks what running the job again needs.
    """
    file = path if path.is_file() else path / RECORD
    if not file.parent.is_dir():
        raise InputError(
            f"There is no job folder {path}: give the job's name as in RELION (Refine3D/job019), "
            "in the project's folder."
        )
    try:
        return _job(load_record(file).merged, file)
    except FileNotFoundError as error:
        raise InputError(
            f"{path} has no dispatch.json: relion-dispatch did not run this job, and does not know "
            "its image and its inputs."
        ) from error
    except OSError as error:
        raise InputError(f"The record {file} cannot be read ({error}).") from error
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise InputError(
            f"The record {file} is damaged ({type(error).__name__}: {error}): take it from a "
            "backup of the project."
        ) from error


def _folder(folder: Path, name: tuple[str, ...]) -> Path:
    """The job's folder in its project: an alias is followed, but not further than to `name`.

    The folder itself may be a link, to another disk.
    """
    folder = Path(os.path.normpath(folder.absolute()))
    for _ in range(40):  # as many links as Linux follows
        if folder.parts[-len(name) :] == name or not folder.is_symlink():
            return folder
        folder = Path(os.path.normpath(folder.parent / folder.readlink()))
    return folder


def _job(record: Mapping[str, Any], file: Path) -> RecordedJob:
    name = text(record, "job")
    parts = Path(name).parts
    if not parts or name != "/".join(parts) or ".." in parts:
        raise ValueError(f"{name!r} is no job's name")
    folder = _folder(file.parent, parts)
    if folder.parts[-len(parts) :] != parts:
        raise InputError(
            f"{file} is the record of {name}, but is not in that job's folder: name the job's "
            "folder in its project."
        )
    if record["image"] is None:
        raise InputError(f"{name} ran on the host, without an image, {_NOT_SAME}")
    if not entry(record, "image", dict).get("sha256"):
        raise InputError(f"The record {file} has no sha256 of the job's image, {_NOT_SAME}")
    commands = entry(record, "commands", list)
    if "inputs" not in record or not all("shell" in each for each in commands):
        raise InputError(
            f"The record {file} was written by an older relion-dispatch and does not list the "
            f"job's inputs, {_NOT_SAME}"
        )
    image = _image(record["image"])
    was = Path(text(record, "project"))
    if not was.is_absolute() or os.path.normpath(was) != str(was) or str(was).startswith("//"):
        raise ValueError(f"{str(was)!r} is no project's path")
    parsed = tuple(_command(text(each, "shell")) for each in commands)
    prefixes = [texts(each, "prefix") for each in commands]
    if not any(prefixes) or any(
        not (prefix or command.is_file_tool)
        for prefix, command in zip(prefixes, parsed, strict=True)
    ):
        raise ValueError("a command does not start the image")
    resources = {key: number(record, key, most) for key, most in _MOST.items()}
    if not (resources["nproc"] and resources["nthread"] and resources["nodes"]):
        raise ValueError("a job has at least one rank, thread and node")
    return RecordedJob(
        name=name,
        file=file,
        place=JobPlace(was, Path(*folder.parts[: -len(parts)])),
        image=image,
        commands=parsed,
        container=read_container(prefixes, str(image.path), str(was)),
        inputs=tuple(map(_file, entry(record, "inputs", list))),
        environment=names_of_variables(record) if record.get("environment") is not None else None,
        dispatched=int(datetime.fromisoformat(text(record, "dispatched")).timestamp()),
        first_run=_first_run(record),
        scheduler=str(record.get("scheduler", "")),
        uses_mpi=entry(record, "uses_mpi", bool),
        mps=entry(record, "mps", bool),
        **resources,
    )


def _command(shell: str) -> Command:
    try:
        return parse_command(shell)
    except (InputError, IndexError, ValueError) as error:  # a quote that is not closed, no words
        raise ValueError(f"{shell!r} is no command") from error


def _image(image: Mapping[str, Any]) -> UsedImage:
    path = Path(text(image, "path"))
    if not path.is_absolute():
        raise ValueError(f"{str(path)!r} is no image's path")
    name, version, variant = (text(image, key) for key in ("name", "version", "variant"))
    size = number(image, "size") if image.get("size") is not None else None
    return UsedImage(name, version, variant, path, sha256(image), size)


def _file(found: Mapping[str, Any]) -> RecordedFile:
    digest = sha256(found) if found["sha256"] is not None else None
    path, size = text(found, "path"), number(found, "size")
    return RecordedFile(path, size, entry(found, "mtime", int), digest)


def _first_run(record: Mapping[str, Any]) -> str:
    apptainer = record.get("versions", {}).get("apptainer")
    return (
        f"dispatched {text(record, 'dispatched')} by {text(record, 'user')} on "
        f"{text(record, 'host')}, with relion-dispatch {text(record, 'dispatcher_version')}"
        f"{f' and Apptainer {apptainer}' if apptainer else ''}"
    )
