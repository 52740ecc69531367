"""A script that runs a recorded job again: the same commands and inputs in the same image."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from markupsafe import Markup

from .. import __version__
from ..config.configuration import Configuration
from ..config.places import template_folders
from ..config.scheduler import Scheduler, template_folders_of
from ..config.site import Site
from ..errors import InputError
from ..host.shell_words import Variable, Word, quote
from ..job_script.filters import comment
from ..job_script.library import shell_function
from ..job_script.templates import environment, render
from ..relion.command import Command
from .container_words import container_words
from .notes import notes
from .output_words import command_words, job_scratch, with_new_scratch
from .random_seed import Seed, recorded_seed
from .recorded_inputs import Inputs, checked_inputs
from .recorded_job import RecordedJob, read_job
from .same_image import same_image
from .script_words import as_word, as_words
from .unusual import Accepted, refuse_unusual

__all__ = ["reproduction"]


def reproduction(
    path: Path,
    output: Path | None,
    changed: Collection[str],
    accepted: Accepted,
    configuration: Configuration,
) -> tuple[str, list[str]]:
    """The script, and what its user should know: a sentence each.

    `path` is the job's folder or one of its records. The results will go to `output`, which must be
    new or empty; without it to ``Reproduced/JOB`` in the project. `changed` are inputs that may
    differ, see :func:`checked_inputs`, and `accepted` is what of the record is not usual, see
    :func:`refuse_unusual`.

    Raises:
        InputError: the job has no record, an input is not the same, or the record has what the
            user has not accepted.
        ImageError: the image is not the same.
    """
    job = read_job(path)
    image = same_image(job, configuration.catalogue)
    refuse_unusual(job, image, configuration.site.apptainer, configuration.catalogue, accepted)
    inputs = checked_inputs(job, changed)
    seeds = [recorded_seed(command, job.place.now) for command in job.commands]
    commands = [_repeated(command, seed) for command, seed in zip(job.commands, seeds, strict=True)]
    variables = sorted({name for each in commands for name in _variables(each)})
    commands = [_with_given(command) for command in commands]
    said = notes(job, inputs, seeds, configuration.site.apptainer)
    text = render(
        environment(template_folders()),
        "reproduce.sh.j2",
        {
            "name": comment(job.name),
            "dispatcher_version": __version__,
            "first_run": comment(job.first_run),
            "image_title": comment(f"{job.image.name} {job.image.version} {job.image.variant}"),
            "notes": [comment(note) for note in said],
            "image": as_word(str(image.path)),
            "sha256": job.image.sha256,
            "files": [
                (as_word(str(job.place.within(name))), *is_) for name, is_ in inputs.files.items()
            ],
            "named": as_words(str(job.place.within(name)) for name in inputs.named),
            "dispatched": job.dispatched,
            "variables": variables,
            **_places(job, output),
            **_environment(job, configuration),
            **_commands(job, commands, inputs, configuration),
        },
    )
    return text, said


def _places(job: RecordedJob, output: Path | None) -> dict[str, Any]:
    """The folders, and where the container sees them."""
    target = _target(job, output)
    return {
        "project": as_word(str(job.place.now)),
        "first": as_word(job.name),
        "output": as_word(str(target)),
        "seen_project": as_word(str(job.place.was)),
        "seen_output": as_words([str(job.place.now / target), str(job.place.was / target)]),
    }


def _environment(job: RecordedJob, configuration: Configuration) -> dict[str, Any]:
    """The variables that the container gets, and the limits that the ranks are not to have."""
    apptainer = configuration.site.apptainer
    let_through = apptainer.let_through if job.environment is None else job.environment
    settings = apptainer.gpu_vendor.settings.items()
    return {
        "nodes": job.nodes if job.uses_mpi else 1,
        "environment": as_words(let_through),
        "settings": as_words(f"{name}={value}" for name, value in settings if name in let_through),
        "for_apptainer": apptainer.for_apptainer,
        "clean_environment": shell_function("clean_environment", "library/environment.sh"),
        "forget_limits": shell_function(
            "forget_limits_of_the_script",
            *(f"schedulers/{each}/functions.sh" for each in _folders(job, configuration)),
            "library/scheduler.sh",
        ),
    }


def _scheduler(job: RecordedJob, configuration: Configuration) -> Scheduler:
    """This site's scheduler of that name, else its usual one."""
    site = configuration.site
    return site.schedulers[_scheduler_name(job, site)]


def _folders(job: RecordedJob, configuration: Configuration) -> list[str]:
    """The folders of that scheduler's functions, its own first."""
    site = configuration.site
    return template_folders_of(_scheduler_name(job, site), site.schedulers)


def _scheduler_name(job: RecordedJob, site: Site) -> str:
    return job.scheduler if job.scheduler in site.schedulers else site.scheduler


def _commands(
    job: RecordedJob,
    commands: Sequence[Command],
    inputs: Inputs,
    configuration: Configuration,
) -> dict[str, Any]:
    container = container_words(job, configuration.site, _scheduler(job, configuration))
    known = {*inputs.files, *inputs.accepted}
    scratch = job_scratch(job, commands)
    if scratch and scratch.shared:
        commands = [with_new_scratch(command) for command in commands]
    words = [command_words(job, command, known) for command in commands]
    return {
        "apptainer": as_word(configuration.site.apptainer.program),
        "container": container.options,
        "binds": [
            (as_word(mount.folder), as_word(mount.destination), Markup(" ,ro" * mount.read_only))
            for mount in job.container.mounts
        ],
        "scratch": scratch and as_word(scratch.folder),
        "scratch_is_new": scratch and scratch.shared,
        "commands": [
            (each.printed, before, [*behind, *each.words])
            for each, (before, behind) in zip(words, container.commands, strict=True)
        ],
    }


def _target(job: RecordedJob, output: Path | None) -> Path:
    """The folder for the results: relative to the project if it is inside the project.

    Raises:
        InputError: there is something in it, or a link of the project leads to another place.
    """
    now = job.place.now
    if output is None:
        target, number = Path("Reproduced") / job.name, 2
        while _holds_files(now / target):
            target = target.with_name(f"{Path(job.name).name}-{number}")
            number += 1
        output = now / target
    elif _holds_files(output):
        raise InputError(f"The folder {output} is not empty: name a new folder with --output.")
    real, project = output.resolve(), now.resolve()
    if real.is_relative_to(project):
        return real.relative_to(project)
    named = Path(os.path.normpath(output.absolute()))
    if any(named.is_relative_to(each) for each in (now, project)):
        raise InputError(
            f"The folder {output} for the results is in the project, but a link leads from there "
            f"to {real}: if the results are to go there, repeat this command with "
            f"`--output {quote(str(real))}`."
        )
    return real


def _holds_files(path: Path) -> bool:
    return os.path.lexists(path) and (not path.is_dir() or any(path.iterdir()))


def _repeated(command: Command, seed: Seed | None) -> Command:
    """The command without a word to RELION's pipeline, and with the seed that it drew."""
    for option in ("pipeline_control", "pipeline-control"):
        command = command.without(option)
    if seed:
        command = command.with_option("--random_seed", (Word.literal(str(seed.value)),))
    return command


def _variables(command: Command) -> list[str]:
    return [name for word in command.words for name in word.variables]


def _with_given(command: Command) -> Command:
    """The command with the values that the script has looked at in place of its variables'."""
    operator, file = command.redirect or ("", Word(()))
    return replace(
        command,
        executable=_given(command.executable),
        arguments=tuple(map(_given, command.arguments)),
        redirect=(operator, _given(file)) if command.redirect else None,
    )


def _given(word: Word) -> Word:
    parts = (
        replace(part, name=f"dispatch_given_{part.name}") if isinstance(part, Variable) else part
        for part in word.parts
    )
    return replace(word, parts=tuple(parts))
