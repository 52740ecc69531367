"""Which text of a command would bash have acted on in RELION's own script, and stays as it is?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..relion.command import Command, is_option

__all__ = ["text_that_stays"]


def text_that_stays(commands: Iterable[Command]) -> Iterator[str]:
    """A sentence for each parameter with such text; whether RELION or the site has written it."""
    for command in commands:
        option = command.program
        for word in (command.executable, *command.arguments):
            if word.stays:
                yield (
                    f"The text {word} of {option} is passed on as it is, although bash would "
                    "act on it in RELION's own script: relion-dispatch only expands $NAME and "
                    "${NAME}. Write such a variable, or the text that you mean."
                )
            if is_option(word):
                option = str(word).partition("=")[0]
