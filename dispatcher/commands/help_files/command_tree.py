"""Which commands, options and arguments are there? As the command line's own help has them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin

__all__ = ["Argument", "Command", "Option", "Values", "all_of", "command_tree"]

PROGRAM = "relion-dispatch"

# What is called so in the help is a file or a folder, or may be one.
_PATHS = re.compile(r"\b(FILE|FOLDER|JOB|PATH|PROGRAM|SCRIPT)\b")


class Values(NamedTuple):
    """What may stand in a place: a path, one of these words, or (if neither) some other text."""

    name: str
    words: tuple[str, ...] = ()
    is_path: bool = False


class Option(NamedTuple):
    """An option by its names; `values` is None for a switch, `meaning` the help with its limits."""

    names: tuple[str, ...]
    values: Values | None
    help: str
    meaning: str
    repeats: bool


class Argument(NamedTuple):
    """A word that is no option; `repeats` if there may be several."""

    values: Values
    meaning: str
    repeats: bool


class Command(NamedTuple):
    """A command, or a group of commands (`below`); `path` are its words behind the program's."""

    path: tuple[str, ...]
    help: str
    short: str
    usage: tuple[str, ...]
    options: tuple[Option, ...]
    arguments: tuple[Argument, ...]
    below: tuple[Command, ...]

    @property
    def words(self) -> str:
        """As it is typed, without the program."""
        return " ".join(self.path)


def command_tree(command: Any, above: Any = None, path: tuple[str, ...] = ()) -> Command:
    """The tree of a command of typer's, without what is hidden; `above` is the context above it."""
    name = path[-1] if path else PROGRAM
    context = command.context_class(command, above, name, **command.context_settings)
    parameters = [each for each in command.get_params(context) if not each.hidden]
    below = getattr(command, "commands", {}).items()
    extra = (Argument(Values("PROGRAM", is_path=True), "", True),)
    return Command(
        path=path,
        help=inspect.cleandoc(command.help or ""),
        short=command.get_short_help_str(200),
        usage=tuple(command.collect_usage_pieces(context)),
        options=tuple(
            _option(each, context) for each in parameters if each.param_type_name == "option"
        ),
        arguments=tuple(
            _argument(each, context) for each in parameters if each.param_type_name == "argument"
        )
        or (extra if context.allow_extra_args and not below else ()),
        below=tuple(
            command_tree(each, context, (*path, name)) for name, each in below if not each.hidden
        ),
    )


def all_of(command: Command) -> Iterator[Command]:
    """The command and all below it, in the order of the help."""
    yield command
    for each in command.below:
        yield from all_of(each)


def _option(option: Any, context: Any) -> Option:
    record = option.get_help_record(context) or ("", "")
    names = (*option.opts, *option.secondary_opts)
    values = None if option.is_flag else _values(option, option.metavar)
    return Option(names, values, option.help or "", record[1], option.multiple)


def _argument(argument: Any, context: Any) -> Argument:
    record = argument.get_help_record(context) or ("", "")
    values = _values(argument, argument.metavar or argument.name.upper())
    return Argument(values, record[1], argument.nargs != 1)


def _values(parameter: Any, metavar: str | None) -> Values:
    kinds = list(_kinds(parameter.type_descriptor.annotation))
    words = tuple(str(word) for kind in kinds for word in _words(kind))
    of_kind = "NUMBER" if {int, float}.intersection(kinds) else "TEXT"
    name = (metavar or "|".join(words) or of_kind).strip("[]")
    return Values(name, words, Path in kinds or bool(_PATHS.search(name)))


def _words(kind: Any) -> Iterable[Any]:
    """The words that a type of words lists; none of another type."""
    return kind if isinstance(kind, type) and issubclass(kind, StrEnum) else get_args(kind)


def _kinds(annotation: Any) -> Iterator[Any]:
    """The types in a list or a union."""
    if get_origin(annotation) is Literal or not get_args(annotation):
        yield annotation
    else:
        for each in get_args(annotation):
            yield from _kinds(each)
