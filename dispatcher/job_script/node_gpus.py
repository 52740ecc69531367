"""The GPU option of a command, whose value the job script's node settles."""

from __future__ import annotations

from dataclasses import replace

from ..host.shell_words import Variable, Word
from ..relion.command import Command
from ..relion.programs import lookup

__all__ = ["with_gpus_of_the_node"]


def with_gpus_of_the_node(command: Command) -> Command:
    """The command with ``--gpu "${dispatch_devices:-0:1:2:3}"``: the plan's, or fewer."""
    option = Word.literal(lookup(command.program).gpu or "")
    words = list(command.arguments)
    at = words.index(option) + 1
    words[at] = Word((Variable("dispatch_devices", quoted=True, default=str(words[at])),))
    return replace(command, arguments=tuple(words))
