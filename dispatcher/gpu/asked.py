"""The refinement that an admin asks about: a job of a project, or a relion_refine command line."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ..config.places import submission_template
from ..errors import InputError
from ..memory.input_images import Images, number, whole_number
from ..memory.read_refinement import refinement_of
from ..memory.refinement import Refinement
from ..relion import job_star
from ..relion.command import Command, parse_command
from ..relion.submission import SUBMISSION, read_submission

__all__ = ["NO_FILES", "REFINE3D", "Asked", "Sized", "asked", "sized"]

NO_FILES = Path(os.devnull)  # a folder in which nothing can be read
# As RELION's window has it by default.
REFINE3D = (
    "relion_refine --auto_refine --split_random_halves --ref reference.mrc --pad 2 --zero_mask "
    "--oversampling 1 --healpix_order 2 --auto_local_healpix_order 4 --offset_range 5 "
    "--offset_step 2 --sym C1"
)
A_BOX = 256  # pixels: to learn whether --box would do


class Asked(NamedTuple):
    """A relion_refine command, and the folder in which it runs.

    ``window``: the job's fields in RELION's window, None for a command without a job.
    ``assumed``: sentences on what stands in for what was not said.
    """

    command: Command
    project: Path
    window: Mapping[str, str] | None = None
    assumed: tuple[str, ...] = ()


class Sized(NamedTuple):
    """A refinement, the threads of a rank, and ``--free_gpu_memory`` in MB.

    ``assumed``: sentences on what stands in for what was not said, or not read.
    """

    refinement: Refinement
    threads: int
    free_gpu_memory: float
    assumed: tuple[str, ...]


def asked(words: Sequence[str]) -> Asked:
    """The refinement that ``words`` name.

    One word may be a job's folder or its ``run_submit.script``, or a whole command line; several
    are the words of a command line, which runs in the present folder. None: a Refine3D job with
    the defaults of RELION's window.

    Raises:
        InputError: they name no refinement, or the script cannot be read.
    """
    if not words:
        says = (
            "No refinement is given: the numbers are for Refine3D with the defaults of RELION's "
            "window."
        )
        return Asked(parse_command(REFINE3D), NO_FILES, assumed=(says,))
    text = words[0] if len(words) == 1 else shlex.join(words)
    if not text.strip():
        raise InputError("The refinement is an empty text: give a job or a relion_refine command.")
    path = Path(text)
    if len(words) == 1 and _exists(path):
        script = path / SUBMISSION if path.is_dir() else path
        submission, project = read_submission(script, submission_template())
        gui = job_star.read(project / submission.job / "job.star")
        found = Asked(submission.main, project, gui.options if gui else None)
    else:
        found = Asked(parse_command(text), Path.cwd())
    if found.command.base_program != "relion_refine":
        raise InputError(
            f"{text} is not a refinement: give a job of relion_refine (its folder, or its "
            f"{SUBMISSION}), or a command line that begins with relion_refine."
        )
    return found


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a command line, longer than any name
        return False


def sized(
    wanted: Asked, box: int | None = None, relion_version: tuple[int, int] | None = None
) -> Sized:
    """Size up the refinement with the code that plans jobs.

    ``box`` in pixels replaces that of the files, and takes the place of particles that cannot be
    read. ``relion_version``: major and minor, None for the one that needs most.

    Raises:
        InputError: an input file is missing or damaged and there is no ``box``, or a parameter of
            the command is wrong.
    """
    command, project, window, assumed = wanted
    try:
        found = refinement_of(command, project, window, relion_version=relion_version)
    except InputError as error:
        stand_in = Images(box or A_BOX, "--box", 2, tomo_stacks="ios" in command)
        # Raises if no box helps.
        found = refinement_of(command, project, window, stand_in, relion_version)
        if box is None:
            raise InputError(
                f"{error} To go on without the particles, give their box size: --box {A_BOX}."
            ) from error
        images = "2D stacks of tilt series" if "ios" in command else "2D images"
        assumed += (
            f"No particles can be read: relion-dispatch assumes that the particles are {images} "
            f"of {box} pixels (--box), and that references are {found.dimensions}D.",
        )
    if box is not None:
        found = replace(found, box=box, image_box=box, source="--box")
    return Sized(
        found,
        whole_number(command.value("j") or "1", "--j"),
        number(command.value("free_gpu_memory") or "0", "--free_gpu_memory"),
        assumed,
    )
