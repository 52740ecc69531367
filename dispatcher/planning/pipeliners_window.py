"""What the window of the CCP-EM Pipeliner says of a job's GPUs; its command line does not tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..host.shell_words import Word
from ..relion.asked_gpus import asked_gpus
from ..relion.command import Command

__all__ = ["as_matched", "as_parameters"]


def as_parameters(options: Mapping[str, str]) -> Command:
    """The options of ``job.star`` as a command's parameters, to be read by the same rules; empty
    ones last."""
    given = sorted(options.items(), key=lambda option: not option[1])
    words = tuple(Word.literal(f"--{name}={value}") for name, value in given)
    return Command("shell", Word.literal("job.star"), words, "")


def as_matched(command: Command, options: Mapping[str, str]) -> Command:
    """The job runner's command as job types see it: with ``--gpu`` if its job asks for GPUs."""
    asked = asked_gpus(as_parameters(options))
    if asked is None or asked.number == 0:
        return command
    return replace(command, arguments=(*command.arguments, Word.literal("--gpu")))
