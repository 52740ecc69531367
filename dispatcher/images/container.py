"""The ``apptainer exec`` line: one container per job, sharing the host's IPC and PID namespaces."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ..config.site import Apptainer
from ..host import programs

__all__ = [
    "WEIGHTS",
    "Bind",
    "Mount",
    "binds",
    "exec_argv",
    "missing_binds",
    "mount_option",
    "read_mount",
]

# Where our definitions make TORCH_HOME point: the weights are gigabytes, and outlive images.
WEIGHTS = "/opt/relion-weights"


class Bind(NamedTuple):
    """A folder that containers see beside the project: the option that binds it, and its key."""

    folder: str
    option: str
    key: str


def binds(apptainer: Apptainer, weights: Path | None = None) -> list[Bind]:
    """What the site has bound into the container of an image with these weights."""
    found = [Bind(each, mount_option(each), '"bind" in site.json') for each in apptainer.bind]
    if weights:
        option = mount_option(str(weights), read_only=True, destination=WEIGHTS)
        found.append(Bind(str(weights), option, '"weights" in images.json'))
    return found


def missing_binds(apptainer: Apptainer) -> list[str]:
    """Folders of the site's "bind" that this machine lacks; with one of them Apptainer would stop.

    Inside the appliance not all folders of the machine are seen, so a program outside looks.
    """
    return [each for each in apptainer.bind if programs.run(["test", "-e", each]).status != 0]


def mount_option(folder: str, read_only: bool = False, destination: str | None = None) -> str:
    """``--mount`` for a folder, at its own path if no other is given.

    Unlike ``--bind`` it takes ``:`` and ``,``. Its value is CSV, in which a line break would begin
    another mount.
    """
    fields = ["type=bind", f"source={folder}", f"destination={destination or folder}"]
    if read_only:
        fields.append("ro")
    return "--mount=" + ",".join(
        '"' + field.replace('"', '""') + '"' if set(field) & set(',"\r\n') else field
        for field in fields
    )


class Mount(NamedTuple):
    """A folder of the host that a container sees at `destination`."""

    folder: str
    destination: str
    read_only: bool


def read_mount(option: str) -> Mount | None:
    """What an option of :func:`mount_option` binds; None for all other words.

    >>> read_mount(mount_option("/a,b"))
    Mount(folder='/a,b', destination='/a,b', read_only=False)
    """
    start = "--mount=type=bind,"
    if not option.startswith(start):
        return None
    with suppress(csv.Error, StopIteration, ValueError):
        fields = next(csv.reader([option.removeprefix(start)], strict=True))
        source, destination = (field.partition("=")[2] for field in fields[:2])
        found = Mount(source, destination, fields[2:] == ["ro"])
        if option == mount_option(found.folder, found.read_only, found.destination):
            return found
    return None


def exec_argv(
    apptainer: Apptainer,
    image: Path | str,
    folders: Iterable[Path | str],
    working_folder: Path | str,
    gpu: bool,
    clean_environment: bool = True,
    weights: Path | None = None,
) -> list[str]:
    """The arguments that start a container, up to and with the image; the program follows.

    `folders` are bound in beside the site's own, and so are the image's `weights`. With a clean
    environment only ``APPTAINERENV_*`` variables reach the container: a host's PYTHONPATH or
    CONDA_* breaks RELION 5's Python tools.
    """
    mounts = map(mount_option, map(str, folders))
    named = [bind.option for bind in binds(apptainer, weights)]
    return [
        apptainer.program,
        "--quiet",  # or it names in each run.err the optional programs that it has not found
        "exec",
        "--no-eval",  # or $(…) in a variable's value would run
        *(["--cleanenv"] if clean_environment else []),
        *([apptainer.gpu_option] if gpu else []),
        *dict.fromkeys([*mounts, *named]),  # twice, Apptainer would warn
        f"--pwd={working_folder}",
        *apptainer.options,
        str(image),
    ]
