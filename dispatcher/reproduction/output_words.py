"""The words of a recorded command, with the new folder in place of the job's own."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import PurePath
from typing import NamedTuple

from markupsafe import Markup

from ..errors import InputError
from ..host.shell_words import Variable, Word, quote
from ..planning.scratch import Scratch, scratch_of
from ..relion.command import Command, values_of
from .recorded_job import RecordedJob
from .script_words import as_word, as_words

__all__ = ["CommandWords", "command_words", "job_scratch", "with_new_scratch"]

# The letters of options that name no file: rm -rf, cp -p, ln -s.
_PLAIN_OPTIONS = {
    "cp": "aflnprRTv",
    "ln": "fnsTv",
    "mkdir": "pv",
    "mv": "fnTv",
    "rm": "dfrRv",
    "touch": "acm",
}
# How many of the last paths each of them changes; all of them, if it is not here.
_CHANGED = {"cp": 1, "ln": 1}


class CommandWords(NamedTuple):
    """The words that a container gets, and those of ``echo`` before that are written to a file."""

    words: list[Markup]
    printed: list[Markup] | None = None


def command_words(job: RecordedJob, command: Command, inputs: Collection[str]) -> CommandWords:
    """What runs of a command; `inputs` stay as they are.

    File commands run in the container too, where the new folder alone can be changed, even by
    links.

    Raises:
        InputError: a file command is none of those that RELION writes.
    """
    words = [_moved(job, word, inputs) for word in (command.executable, *command.arguments)]
    if not command.is_file_tool:
        return CommandWords(words)
    if command.program == "echo" and command.redirect:
        operator, file = command.redirect
        tee = ["tee", "--append", "--"] if operator == ">>" else ["tee", "--"]
        return CommandWords([*as_words(tee), _changed(job, command, file)], words[1:])
    return CommandWords(words if command.program == "echo" else _file_command(job, command))


def job_scratch(job: RecordedJob, commands: Iterable[Command]) -> Scratch | None:
    """The folder for scratch data; None without one, and if it is in the job's own folder."""
    found = next(filter(None, map(scratch_of, commands)), None)
    return found if found and _own(job, found.folder) is None else None


def with_new_scratch(command: Command) -> Command:
    """The command with the script's folder for scratch data in place of its own."""
    words = list(command.arguments)
    for at in values_of(command, "scratch_dir"):
        words[at] = Word((Variable("dispatch_scratch", quoted=True),))
    return replace(command, arguments=tuple(words))


def _file_command(job: RecordedJob, command: Command) -> list[Markup]:
    """``cp``, ``rm`` and the like: with plain options, and paths of the job's folder.

    What they only read may be elsewhere in the project.
    """
    tool, words = command.program, command.arguments
    options = [word for word in words if str(word).startswith("-")]
    paths = [word for word in words if not str(word).startswith("-")]
    plain = re.compile(f"-[{_PLAIN_OPTIONS[tool]}]+")
    if command.redirect or not all(plain.fullmatch(str(option)) for option in options):
        raise _refusal(job, command, "has an option that RELION does not use")
    read = paths[: -_CHANGED[tool]] if tool in _CHANGED else []
    return [
        *as_words([tool, *map(str, options), "--"]),
        *(_read(job, command, word) for word in read),
        *(_changed(job, command, word) for word in paths[len(read) :]),
    ]


def _changed(job: RecordedJob, command: Command, word: Word) -> Markup:
    if not _is_plain(word) or _own(job, word) is None:
        raise _refusal(job, command, "writes outside the job's folder")
    return _moved(job, word, ())


def _read(job: RecordedJob, command: Command, word: Word) -> Markup:
    if not _is_plain(word) or PurePath(job.place.within(str(word))).is_absolute():
        raise _refusal(job, command, "reads outside the project")
    return _moved(job, word, ())


def _is_plain(word: Word) -> bool:
    """Whether a path has no variable, and does not lead upwards."""
    return not word.variables and ".." not in PurePath(str(word)).parts


def _refusal(job: RecordedJob, command: Command, why: str) -> InputError:
    return InputError(
        f"{job.name} cannot be run again beside the first run: its command `{command.text}` {why}."
    )


def _moved(job: RecordedJob, word: Word, inputs: Collection[str]) -> Markup:
    """The word as shell text: ``Refine3D/job019/run`` → ``"$output"/run``, but no input."""
    text = str(word)
    option, equals, value = text.partition("=")
    if not (equals and option.startswith("-")):
        option, value = "", text
    own = _own(job, word)
    if own is None or text in inputs or value in inputs:
        return as_word(word)
    first = str(word.parts[0])[len(option) + len(equals if option else "") + len(own) :]
    rest = as_word(Word((first, *word.parts[1:]))) if first or word.parts[1:] else ""
    return Markup(f'{quote(option + "=") if option else ""}"$dispatch_output"{rest}')


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
