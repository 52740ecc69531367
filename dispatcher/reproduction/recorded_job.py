"""Take from a job's record what is needed to run the job again.

A record may be a stranger's: each entry has the form that the dispatcher gives it, or the record
counts as damaged. What an honest form may still ask for, unusual.py looks at.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from ..config.largest import MOST_GPUS, MOST_NODES, MOST_RANKS, MOST_THREADS
from ..errors import InputError
from ..jobs.entries import (
    flag,
    needed,
    number,
    object_of,
    objects_of,
    path,
    sha256,
    text,
    texts,
)
from ..jobs.record import RECORD, Record, Unreadable, load_record
from ..relion.command import Command, parse_command
from .recorded_container import RecordedContainer, read_container

__all__ = ["JobPlace", "RecordedFile", "RecordedJob", "UsedImage", "read_job"]

_MOST_OF = {
    "nproc": MOST_RANKS, "nthread": MOST_THREADS, "ngpu": MOST_GPUS, "nodes": MOST_NODES
}  # fmt: skip
_MOST = 2**63  # what a file system counts with
_VARIABLE = re.compile(r"[A-Za-z_]\w*", re.ASCII)
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


def read_job(named: Path) -> RecordedJob:
    """Read the record of a job, given its folder (an alias does) or one of its records.

    Raises:
        InputError: there is no record, or it lacks what running the job again needs.
    """
    file = named if named.is_file() else named / RECORD
    if not file.parent.is_dir():
        raise InputError(
            f"There is no job folder {named}: give the job's name as in RELION (Refine3D/job019), "
            "in the project's folder."
        )
    try:
        return _checked(load_record(file), file)
    except FileNotFoundError as error:
        raise InputError(
            f"{named} has no dispatch.json: relion-dispatch did not run this job, and does not "
            "know its image and its inputs."
        ) from error
    except Unreadable as error:
        raise InputError(f"{error}: take that file from a backup of the project.") from error


def _checked(record: Record, file: Path) -> RecordedJob:
    try:
        return _job(record.merged, file)
    except ValueError as error:
        raise Unreadable.because(file, error) from error


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
    name = needed(text(record, "job"), "job")
    parts = Path(name).parts
    if not parts or name != "/".join(parts) or ".." in parts:
        raise ValueError('its "job" is not the name of a job')
    folder = _folder(file.parent, parts)
    if folder.parts[-len(parts) :] != parts:
        raise InputError(
            f"{file} is the record of {name}, but is not in that job's folder: name the job's "
            "folder in its project."
        )
    if "image" in record and record["image"] is None:
        raise InputError(f"{name} ran on the host, without an image, {_NOT_SAME}")
    used = needed(object_of(record, "image"), "image")
    if not used.get("sha256"):
        raise InputError(f"The record {file} has no sha256 of the job's image, {_NOT_SAME}")
    commands = needed(objects_of(record, "commands"), "commands")
    if "inputs" not in record or not all("shell" in each for each in commands):
        raise InputError(
            f"The record {file} was written by an older relion-dispatch and does not list the "
            f"job's inputs, {_NOT_SAME}"
        )
    image = _image(used)
    was = needed(path(record, "project"), "project")
    if os.path.normpath(was) != record["project"] or str(was).startswith("//"):
        raise ValueError('its "project" is not the path of a project')
    parsed = tuple(_command(needed(text(each, "shell"), "shell")) for each in commands)
    prefixes = [needed(texts(each, "prefix"), "prefix") for each in commands]
    if not any(prefixes) or any(
        not (prefix or command.is_file_tool)
        for prefix, command in zip(prefixes, parsed, strict=True)
    ):
        raise ValueError("a command does not start the image")
    nproc, nthread, ngpu, nodes = (
        needed(number(record, key, most), key) for key, most in _MOST_OF.items()
    )
    if not (nproc and nthread and nodes):
        raise ValueError("a job has at least one rank, thread and node")
    return RecordedJob(
        name=name,
        file=file,
        place=JobPlace(was, Path(*folder.parts[: -len(parts)])),
        image=image,
        commands=parsed,
        container=read_container(prefixes, str(image.path), str(was)),
        inputs=tuple(map(_file, needed(objects_of(record, "inputs"), "inputs"))),
        environment=_names_of_variables(record),
        dispatched=_seconds(needed(text(record, "dispatched"), "dispatched")),
        first_run=_first_run(record),
        nproc=nproc,
        nthread=nthread,
        ngpu=ngpu,
        nodes=nodes,
        uses_mpi=needed(flag(record, "uses_mpi"), "uses_mpi"),
        mps=needed(flag(record, "mps"), "mps"),
        scheduler=text(record, "scheduler") or "",
    )


def _names_of_variables(record: Mapping[str, Any]) -> tuple[str, ...] | None:
    names = texts(record, "environment")
    if not all(_VARIABLE.fullmatch(name) for name in names or ()):
        raise ValueError('its "environment" is not a list of names of variables')
    return names


def _seconds(dispatched: str) -> int:
    try:
        return int(datetime.fromisoformat(dispatched).timestamp())
    except (ValueError, OverflowError, OSError):
        raise ValueError('its "dispatched" is not a time as in 2026-11-28T05:11:14+00:00') from None


def _command(shell: str) -> Command:
    try:
        return parse_command(shell)
    except (InputError, IndexError, ValueError) as error:  # a quote that is not closed, no words
        raise ValueError(f'its "shell" is not a command: {shell[:100]}') from error


def _image(image: Mapping[str, Any]) -> UsedImage:
    name, version, variant = (
        needed(text(image, key), key) for key in ("name", "version", "variant")
    )
    file = needed(path(image, "path"), "path")
    digest = needed(sha256(image, "sha256"), "sha256")
    return UsedImage(name, version, variant, file, digest, number(image, "size", _MOST))


def _file(found: Mapping[str, Any]) -> RecordedFile:
    return RecordedFile(
        needed(text(found, "path"), "path"),
        needed(number(found, "size", _MOST), "size"),
        needed(number(found, "mtime", _MOST, -_MOST), "mtime"),
        sha256(found, "sha256"),
    )


def _first_run(record: Mapping[str, Any]) -> str:
    when, user, host, version = (
        needed(text(record, key), key)
        for key in ("dispatched", "user", "host", "dispatcher_version")
    )
    apptainer = text(object_of(record, "versions") or {}, "apptainer")
    return (
        f"dispatched {when} by {user} on {host}, with relion-dispatch {version}"
        f"{f' and Apptainer {apptainer}' if apptainer else ''}"
    )
