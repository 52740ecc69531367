"""What does a record say of the container in which a job ran, and of what started its ranks?

Nothing of this runs: the words of a record are compared with those that the dispatcher writes, and
the container is started anew (container_words.py).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from enum import Enum, auto
from typing import NamedTuple

from ..config.gpu_vendors import VENDORS
from ..images.container import Mount, read_mount

__all__ = ["Launcher", "RecordedContainer", "bound", "read_container"]


class Launcher(Enum):
    """What starts the ranks of a command."""

    NONE = auto()
    IN_THE_CONTAINER = auto()
    ACROSS_NODES = auto()


# What each container gets, and what is written anew.
_OURS = ("--no-eval", "--cleanenv")
_LETS_GPUS_THROUGH = {option for vendor in VENDORS.values() for option in vendor.options}


class RecordedContainer(NamedTuple):
    """What a container was given beside the image and the project.

    Attributes:
        gpu: the option that let GPUs through; None if none did.
        mounts: the other folders that it saw.
        options: Apptainer's other options.
        launchers: for each command what started its ranks.
    """

    gpu: str | None
    mounts: tuple[Mount, ...]
    options: tuple[str, ...]
    launchers: tuple[Launcher, ...]


def read_container(
    prefixes: Sequence[Sequence[str]], image: str, project: str
) -> RecordedContainer:
    """Read the words that stood before each command; a file command may have none.

    Raises:
        ValueError: words that do not start the image.
    """
    gpu = None
    mounts: dict[Mount, None] = {}
    options: dict[tuple[str, ...], None] = {}
    launchers: list[Launcher] = []
    for words in prefixes:
        if not words:
            launchers.append(Launcher.NONE)
            continue
        before, given, behind = _parted(words, image)
        launchers.append(
            Launcher.ACROSS_NODES
            if before
            else Launcher.IN_THE_CONTAINER
            if behind
            else Launcher.NONE
        )
        others = []
        for word in given:
            mount = bound(word)
            if word in _LETS_GPUS_THROUGH:
                gpu = word
            elif mount:
                mounts[mount] = None
            elif word not in _OURS and not word.startswith("--pwd="):
                others.append(word)
        options[tuple(others)] = None
    mounts.pop(Mount(project, project, False), None)
    each = dict.fromkeys(word for others in options for word in others)
    return RecordedContainer(
        gpu, tuple(mounts), next(iter(options)) if len(options) == 1 else tuple(each),
        tuple(launchers),
    )  # fmt: skip


def bound(option: str) -> Mount | None:
    """The folder that an option binds, without what a path does not need; None for other words."""
    mount = read_mount(option)
    if not mount or not mount.folder.startswith("/") or not mount.destination.startswith("/"):
        return None
    # Two slashes at the begin are kept by normpath(), but are one to Linux.
    folder, destination = (f"/{os.path.normpath(each).lstrip('/')}" for each in mount[:2])
    return Mount(folder, destination, mount.read_only)


def _parted(words: Sequence[str], image: str) -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
    """The launcher before the container, Apptainer's options, and the launcher behind the image:
    ``LAUNCHER … apptainer --quiet exec OPTIONS IMAGE``, ``apptainer … IMAGE mpirun …``."""
    if image not in words or "exec" not in words[: words.index(image)]:
        raise ValueError("a command does not start the image")
    end = words.index(image)
    at = max(at for at in range(end) if words[at] == "exec")
    before = [word for word in words[:at] if word != "--quiet"]
    return before[:-1], words[at + 1 : end], words[end + 1 :]
