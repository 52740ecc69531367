"""Take from a job's record what is needed to run the job again."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import InputError
from ..jobs.record import RECORD, load_record
from ..relion.command import Command, parse_command

__all__ = ["JobPlace", "RecordedJob", "read_job"]

_NOT_SAME = "so a second run cannot be shown to be the same."
_RESOURCES = ("nproc", "nthread", "ngpu", "nodes", "uses_mpi", "mps")
_NEEDED = ("dispatcher_version", "user", "host", *_RESOURCES)


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


class RecordedJob(NamedTuple):
    """What is needed of a record.

    Attributes:
        name: ``Refine3D/job019``.
        place: the project's folder, then and now.
        image: name, version, variant, path, sha256, size of the image.
        commands: in the order in which they ran.
        prefixes: for each command, the words that started its container and its ranks.
        inputs: path (as in the command), size (bytes), mtime (nanoseconds) and sha256 of the files
            named in the commands.
        environment: names of the variables that were let through into the container; None if the
            record is older than this key.
        dispatched: when.
        first_run: when, by whom, from where and with which versions it was dispatched, in words.
        nproc, nthread, ngpu, nodes: ranks, threads of each, GPUs per node, nodes.
        uses_mpi, mps: whether it ran as several ranks, and whether these shared GPUs through MPS.
        scheduler: the site's name of the scheduler that ran the job.
    """

    name: str
    place: JobPlace
    image: Mapping[str, Any]
    commands: tuple[Command, ...]
    prefixes: tuple[tuple[str, ...], ...]
    inputs: Sequence[Mapping[str, Any]]
    environment: Sequence[str] | None
    dispatched: datetime
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
    except (LookupError, TypeError, ValueError, AttributeError) as error:
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
    name = str(record["job"])
    depth = len(Path(name).parts)
    folder = _folder(file.parent, Path(name).parts)
    if folder.parts[-depth:] != Path(name).parts:
        raise InputError(
            f"{file} is the record of {name}, but is not in that job's folder: name the job's "
            "folder in its project."
        )
    if record["image"] is None:
        raise InputError(f"{name} ran on the host, without an image, {_NOT_SAME}")
    if not record["image"].get("sha256"):
        raise InputError(f"The record {file} has no sha256 of the job's image, {_NOT_SAME}")
    if "inputs" not in record or not all("shell" in each for each in record["commands"]):
        raise InputError(
            f"The record {file} was written by an older relion-dispatch and does not list the "
            f"job's inputs, {_NOT_SAME}"
        )
    prefixes = tuple(tuple(each["prefix"]) for each in record["commands"])
    containers = [prefix for prefix in prefixes if prefix]
    if not (
        containers and all({"exec", record["image"]["path"]} <= {*each} for each in containers)
    ):
        raise ValueError("a command does not start the image")
    environment = record.get("environment")
    if environment is not None and not all(re.fullmatch(r"\w+", each) for each in environment):
        raise ValueError("a variable without a name")
    if missing := [key for key in _NEEDED if key not in record]:
        raise LookupError(f"no {', '.join(missing)}")
    return RecordedJob(
        name=name,
        place=JobPlace(Path(record["project"]), Path(*folder.parts[:-depth])),
        image=record["image"],
        commands=tuple(parse_command(each["shell"]) for each in record["commands"]),
        prefixes=prefixes,
        inputs=record["inputs"],
        environment=environment,
        dispatched=datetime.fromisoformat(record["dispatched"]),
        first_run=_first_run(record),
        scheduler=str(record.get("scheduler", "")),
        **{key: record[key] for key in _RESOURCES},
    )


def _first_run(record: Mapping[str, Any]) -> str:
    apptainer = record.get("versions", {}).get("apptainer")
    return (
        f"dispatched {record['dispatched']} by {record['user']} on {record['host']}, with "
        f"relion-dispatch {record['dispatcher_version']}"
        f"{f' and Apptainer {apptainer}' if apptainer else ''}"
    )
