"""What a record asks for beyond what RELION's jobs need; the user has to say yes to each.

A record may be a stranger's. Then its programs, and the folders that they see, are a stranger's
too: `reproduce` shows them, and goes on if they are accepted by name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from ..config.catalogue import Catalogue
from ..config.site import Apptainer
from ..errors import InputError
from ..host.shell_words import Variable, Word, quote
from ..images.container import WEIGHTS, Mount, binds
from ..relion.command import Command, is_option
from ..relion.programs import strip_mpi
from ..units import count
from .output_words import job_scratch
from .recorded_container import bound
from .recorded_job import JobPlace, RecordedJob
from .same_image import SameImage

__all__ = ["BIND", "IMAGE", "PROGRAM", "WORD", "Accepted", "refuse_unusual"]

PROGRAM, BIND, WORD, IMAGE = (f"--accept-{each}" for each in ("program", "bind", "word", "image"))
Accepted = Mapping[str, Collection[str]]  # by the option's name
_SHOWN = 20

_RELIONS = re.compile(r"relion_\w+", re.ASCII)
# These run what a pipeline, a schedule or the lines of a file say.
_RUN_OTHERS = frozenset(
    {"relion_batchrun", "relion_maingui", "relion_pipeliner", "relion_schemer",
     "relion_scheduler", "relion_schemegui"}
)  # fmt: skip
# Options that name a program: --ctffind_exe, --topaz_exe, --exe, --bash_exe, --python,
# --cryocare_path, --imod_dir (of RELION 3.1 to 5.1).
_NAMES_PROGRAM = re.compile(r"-+((\w+_)?exe|python|cryocare[-_]path|imod_dir)", re.ASCII)
# The programs that RELION's jobs use beside its own, in the image or where an admin alone puts
# them: RELION's own values are of this kind (DEFAULTCTFFINDLOCATION and others, pipeline_jobs.h).
_EM_PROGRAM = re.compile(
    r"(/(usr|opt|public/EM)(/[\w+-][\w.+-]*)*/)?"
    r"(?i:ctffind|gctf|motioncor|aretomo|topaz|batchruntomo|cryocare)[\w-]*(\.exe)?",
    re.ASCII,
)
# RELION hands names and parameters (--topaz_args, --other_motioncor2_args) to a shell as they are.
_FOR_A_SHELL = re.compile(r"[$`;|&<>\x00-\x1f\x7f]")
# Options of `apptainer exec` that take something from the container, and give it nothing.
_TAKES_AWAY = re.compile(
    "--(no-home|contain|containall|no-privs|no-init|writable-tmpfs|ipc|pid|no-mount=[a-z,]+)"
)
# Where an image has its programs: a project that was there would be seen in their place.
_SYSTEM = re.compile(r"/|/(usr|s?bin|lib\w*|etc|dev|proc|sys|run|var|opt|boot|\.[^/]*)(/.*)?")


class _Unusual(NamedTuple):
    """What it is, in words, and the option and its value that accept it."""

    what: str
    option: str
    value: str


def refuse_unusual(
    job: RecordedJob,
    image: SameImage,
    apptainer: Apptainer,
    catalogue: Catalogue,
    accepted: Accepted,
) -> None:
    """Stop unless all that is unusual is accepted.

    Raises:
        InputError: naming it, with the options that say yes.
    """
    found = [
        *_of_image(image),
        *_of_container(job, apptainer, catalogue),
        *(each for command in job.commands for each in _of_command(command, job.place)),
    ]
    asked = [each for each in dict.fromkeys(found) if each.value not in accepted[each.option]]
    if not asked:
        return
    shown = asked[:_SHOWN]
    more = [f"{count(len(asked) - _SHOWN, 'more such thing')}"] if len(asked) > _SHOWN else []
    options = dict.fromkeys(f"{each.option} {quote(each.value)}" for each in shown)
    raise InputError(
        f"The record of {job.name} has what a stranger could harm you with: "
        f"{'; '.join([*(each.what for each in shown), *more])}. Look at {job.file}: "
        f"if you trust its writer in this, repeat this command with `{' '.join(options)}`."
    )


def _of_image(image: SameImage) -> Iterator[_Unusual]:
    if not image.is_listed:
        path = str(image.path)
        yield _Unusual(f"the image {path}, which is not in the catalogue", IMAGE, path)


def _of_container(
    job: RecordedJob, apptainer: Apptainer, catalogue: Catalogue
) -> Iterator[_Unusual]:
    weights = dict.fromkeys([None, *(each.weights for each in catalogue.builds())])
    usual = {bound(bind.option) for each in weights for bind in binds(apptainer, each)}
    usual |= {bound(option) for option in apptainer.options}
    for mount in job.container.mounts:
        if mount not in usual:
            yield _Unusual(_seen(mount), BIND, mount.folder)
    was, now = job.place
    if was != now and (_SYSTEM.fullmatch(str(was)) or Path.home().is_relative_to(was)):
        what = f"the project, which the commands would see in place of {was}"
        yield _Unusual(what, BIND, str(was))
    scratch = job_scratch(job, job.commands)
    if scratch and not scratch.shared:
        folder = str(scratch.folder)
        yield _Unusual(f"the scratch folder {folder}, with all that is in it", BIND, folder)
    known = {apptainer.gpu_option, *apptainer.options}
    for option in job.container.options:
        if option not in known and not _TAKES_AWAY.fullmatch(option):
            yield _Unusual(f"the option {option} for Apptainer", WORD, option)


def _seen(mount: Mount) -> str:
    where = "" if mount.destination == mount.folder else f" as {mount.destination}"
    kind = "weights" if mount.destination == WEIGHTS else "folder"
    return f"the {kind} {mount.folder}, which the commands would see{where}"


def _of_command(command: Command, place: JobPlace) -> Iterator[_Unusual]:
    if command.is_file_tool:
        return
    line = command.text
    program = command.program
    if not _RELIONS.fullmatch(program) or strip_mpi(program) in _RUN_OTHERS:
        yield _Unusual(f"the program {program} in `{line}`", PROGRAM, program)
    for word, following in zip_longest(command.arguments, command.arguments[1:]):
        if any(isinstance(part, str) and _FOR_A_SHELL.search(part) for part in word.parts):
            what = f"the parameter `{word}`, in which a shell finds code"
            yield _Unusual(what, WORD, str(word))
        elif _has_variable_in_its_name(word):
            what = f"the parameter `{word}`, whose name a variable completes"
            yield _Unusual(what, WORD, str(word))
        option, equals, value = str(word).partition("=")
        if not _NAMES_PROGRAM.fullmatch(option):
            continue
        if not equals:
            value = str(following) if following and not is_option(following) else ""
        if value and not _RELIONS.fullmatch(value) and not _is_em_program(value, place):
            what = f"the program {value}, which {option} names in `{line}`"
            yield _Unusual(what, PROGRAM, value)


def _has_variable_in_its_name(word: Word) -> bool:
    """Whether it is an option, and no text says which."""
    first = word.parts[0] if word.parts else ""
    if isinstance(first, Variable) or not word.variables:
        return False
    return first.startswith("-") and "=" not in first


def _is_em_program(value: str, place: JobPlace) -> bool:
    """Whether it is a program for electron microscopy, and none of the project's or the user's."""
    seen = (place.was, place.now, Path.home())
    return bool(_EM_PROGRAM.fullmatch(value)) and not any(
        Path(value).is_relative_to(folder) for folder in seen
    )
