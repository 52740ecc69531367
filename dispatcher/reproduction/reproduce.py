"""A script that runs a recorded job again: the same commands and inputs in the same image."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from markupsafe import Markup

from .. import __version__
from ..config.configuration import Configuration
from ..config.places import template_folders
from ..errors import InputError
from ..host.shell_words import Variable, Word, quote
from ..images.container import bound_folder
from ..job_script.library import shell_function
from ..job_script.templates import environment, render
from ..planning.scratch import scratch_of
from ..relion.command import Command
from .container_words import apptainer_of, binds, container_words
from .notes import notes
from .random_seed import Seed, recorded_seed
from .recorded_inputs import Inputs, checked_inputs, same_image
from .recorded_job import RecordedJob, read_job

__all__ = ["reproduction"]


def reproduction(
    path: Path, output: Path | None, accepted: Collection[str], configuration: Configuration
) -> tuple[str, list[str]]:
    """The script, and what its user should know: a sentence each.

    `path` is the job's folder or one of its records. The results will go to `output`, which must be
    new or empty; without it to ``Reproduced/JOB`` in the project. `accepted` are inputs that may
    differ, see :func:`checked_inputs`.

    Raises:
        InputError: the job has no record, or an input is not the same.
        ImageError: the image is not the same.
    """
    job = read_job(path)
    inputs = checked_inputs(job, accepted)
    image = same_image(job, configuration.catalogue)
    target = _target(job, output)
    seeds = [recorded_seed(command, job.place.now) for command in job.commands]
    commands = [_repeated(command, seed) for command, seed in zip(job.commands, seeds, strict=True)]
    scratch = next(filter(None, map(scratch_of, commands)), None)
    lines = [
        [*container_words(job, at, target, scratch is not None), *_words(job, command, inputs)]
        for at, command in enumerate(commands)
    ]
    described = notes(job, inputs, seeds)
    apptainer = configuration.site.apptainer
    let_through = apptainer.let_through if job.environment is None else job.environment
    scheduler = configuration.site.schedulers.get(job.scheduler)
    directives = (scheduler and scheduler.directives) or job.scheduler
    text = render(
        environment(template_folders()),
        "reproduce.sh.j2",
        {
            "name": job.name,
            "dispatcher_version": __version__,
            "first_run": job.first_run,
            "image_title": " ".join(str(job.image[key]) for key in ("name", "version", "variant")),
            "notes": described,
            "project": str(job.place.now),
            "image": str(image),
            "sha256": job.image["sha256"],
            "output": str(target),
            "apptainer": next(map(apptainer_of, filter(None, job.prefixes))),
            "variables": sorted(set(_variables(commands))),
            "files": [(str(job.place.within(path)), *is_) for path, is_ in inputs.files.items()],
            "named": [Markup(job.place.within(path)) for path in inputs.named],
            "dispatched": int(job.dispatched.timestamp()),
            "binds": [(bound_folder(option), option) for option in binds(job)],
            "scratch": scratch and Markup(scratch.folder.shell()),
            "mount_option": shell_function("mount_option", "library/binds.sh"),
            "mount_options": shell_function("mount_options", "library/binds.sh"),
            "one_node": job.nodes == 1 or not job.uses_mpi,
            "nodes": job.nodes,
            "environment": let_through,
            "settings": [
                f"{name}={value}"
                for name, value in apptainer.gpu_vendor.settings.items()
                if name in let_through
            ],
            "for_apptainer": configuration.site.apptainer.for_apptainer,
            "clean_environment": shell_function("clean_environment", "library/environment.sh"),
            "forget_limits": shell_function(
                "forget_limits_of_the_script",
                f"schedulers/{directives}/functions.sh",
                "library/scheduler.sh",
            ),
            "commands": [
                {"words": words, "redirect": command.redirect is not None}
                for command, words in zip(commands, lines, strict=True)
            ],
        },
    )
    return text, described


def _target(job: RecordedJob, output: Path | None) -> Path:
    """The folder for the results: relative to the project if it is inside the project.

    Raises:
        InputError: there is something in it.
    """
    now = job.place.now
    if output is None:
        target, number = Path("Reproduced") / job.name, 2
        while _holds_files(now / target):
            target = target.with_name(f"{Path(job.name).name}-{number}")
            number += 1
        return target
    output = output.resolve()
    if _holds_files(output):
        raise InputError(f"The folder {output} is not empty: name a new folder with --output.")
    project = now.resolve()
    return output.relative_to(project) if output.is_relative_to(project) else output


def _holds_files(path: Path) -> bool:
    return path.exists() and (not path.is_dir() or any(path.iterdir()))


def _repeated(command: Command, seed: Seed | None) -> Command:
    """The command without a word to RELION's pipeline, and with the seed that it drew."""
    for option in ("pipeline_control", "pipeline-control"):
        command = command.without(option)
    if seed:
        command = command.with_option("--random_seed", (Word.literal(str(seed.value)),))
    return command


def _words(job: RecordedJob, command: Command, inputs: Inputs) -> list[Markup]:
    """The command's words, with the new folder in place of the job's own.

    Raises:
        InputError: a file command would write elsewhere.
    """
    words = [command.executable, *command.arguments]
    moved = [_moved(job, word, inputs) for word in words]
    if command.is_file_tool:
        written = [command.redirect[1]] if command.redirect else _written(command)
        if any(_own(job, word) is None for word in written):
            raise InputError(
                f"{job.name} cannot be run again beside the first run: its command `{command.text}`"
                " writes outside the job's folder."
            )
    if command.redirect:
        operator, file = command.redirect
        moved += [Markup(operator), _moved(job, file, inputs)]
    return moved


def _written(command: Command) -> Sequence[Word]:
    """What a file command changes: ``cp`` and ``ln`` their last word, others all of them."""
    words = [word for word in command.arguments if not str(word).startswith("-")]
    if command.program == "echo":
        return []
    return words[-1:] if command.program in ("cp", "ln") else words


def _moved(job: RecordedJob, word: Word, inputs: Inputs) -> Markup:
    """The word as shell text: ``Refine3D/job019/run`` → ``"$output"/run``, but no input."""
    text = str(word)
    option, equals, value = text.partition("=")
    if not (equals and option.startswith("-")):
        option, value = "", text
    own = _own(job, word)
    if own is None or {text, value} & {*inputs.files, *inputs.accepted}:
        return Markup(word.shell())
    first = str(word.parts[0])[len(option) + len(equals if option else "") + len(own) :]
    rest = Word((first, *word.parts[1:])).shell() if first or word.parts[1:] else ""
    return Markup(f'{quote(option + "=") if option else ""}"$output"{rest}')


def _own(job: RecordedJob, word: Word) -> str | None:
    """The job's folder as the word begins with it (``--o=`` before it set aside), if it does."""
    first = word.parts[0] if word.parts else ""
    if not isinstance(first, str):
        return None
    if first.startswith("-"):
        first = first.partition("=")[2]
    for folder in (job.name, f"{job.place.was}/{job.name}"):
        if first == folder or first.startswith(f"{folder}/"):
            return folder
    return None


def _variables(commands: Sequence[Command]) -> Iterator[str]:
    for command in commands:
        for word in (command.executable, *command.arguments):
            yield from (part.name for part in word.parts if isinstance(part, Variable))
