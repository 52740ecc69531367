"""Where does a command keep scratch data, and is that folder the job's own?"""

from __future__ import annotations

from typing import NamedTuple

from ..config import partition
from ..host.shell_words import Word, split
from ..relion.command import Command, values_of

__all__ = ["Scratch", "SiteScratch", "scratch_of", "with_site_scratch"]

# With the first two, RELION is to find, or to leave, its particles in the folder that the user
# names; with the last it uses no folder (ml_optimiser.cpp:2612, 5.0.1).
_USERS_OWN = ("reuse_scratch", "keep_scratch")
_NO_SCRATCH = "preread_images"


class Scratch(NamedTuple):
    """The folder that ``--scratch_dir`` names.

    Attributes:
        folder: before expansion on the node.
        shared: RELION makes the same folder, relion_volatile, in it for each job: so each job makes
            one of its own in there. Otherwise the user wants RELION's folder as it is.
    """

    folder: Word
    shared: bool


class SiteScratch(NamedTuple):
    """A command that knows of the site's scratch; `used` if it is the one that it uses."""

    command: Command
    used: partition.Scratch | None = None
    reason: str = ""


def with_site_scratch(command: Command, scratch: partition.Scratch | None) -> SiteScratch:
    """The command with the site's scratch folder, if it takes one and has none of the user's.

    RELION copies to that folder what it has room for, and reads the rest from where it is
    (exp_model.cpp, 3.1 to 5.0).
    """
    if not scratch or not scratch.folder:
        return SiteScratch(command)
    if command.base_program != "relion_refine" or _NO_SCRATCH in command:
        return SiteScratch(command)
    (folder,) = split(scratch.folder)
    has = scratch_of(command)
    if has and str(has.folder) == str(folder):
        return SiteScratch(command, scratch)
    if has:
        why = f"--scratch_dir {has.folder} stays as the command has it: the site's is {folder}."
        return SiteScratch(command, None, why)
    size = f" ({scratch.size})" if scratch.size else ""
    return SiteScratch(
        command.with_option("--scratch_dir", (folder,)),
        scratch,
        f"Scratch in {folder}{size}, where the node has room for a copy of the particles.",
    )


def scratch_of(command: Command) -> Scratch | None:
    """The command's scratch folder; None if it uses none."""
    if command.base_program != "relion_refine" or _NO_SCRATCH in command:
        return None
    found = [command.arguments[at] for at in values_of(command, "scratch_dir")]
    named = [word for word in found if str(word)]
    return Scratch(named[-1], not any(map(command.__contains__, _USERS_OWN))) if named else None
