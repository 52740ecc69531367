"""The completions of fish."""

from __future__ import annotations

from collections.abc import Iterator

from .command_tree import Command, Option, all_of

__all__ = ["fish_completion"]

_START = """\
# Completion of relion-dispatch {version} for fish, by `relion-dispatch help-files`.
function __relion_dispatch_at --description 'Whether the words so far lead to that command'
    set -l known {known}
    set -l at
    for word in (commandline -opc)[2..]
        string match -q -- '-*' $word; and continue
        contains -- "$at $word" $known; or break
        set at "$at $word"
    end
    test "$at" = "$argv[1]"
end
complete -c relion-dispatch -f
"""


def fish_completion(tree: Command, version: str) -> str:
    """The script, which fish loads at the first Tab."""
    commands = list(all_of(tree))
    known = " ".join(_quoted(f" {each.words}") for each in commands if each.path)
    lines = [line for each in commands for line in _of_command(each)]
    return _START.format(version=version, known=known) + "\n".join(lines) + "\n"


def _of_command(command: Command) -> Iterator[str]:
    path = f" {command.words}" if command.path else ""
    start = f"complete -c relion-dispatch -n {_quoted(f'__relion_dispatch_at {_quoted(path)}')}"
    for each in command.below:
        yield f"{start} -a {each.path[-1]} -d {_quoted(each.short)}"
    if words := [word for each in command.arguments[:1] for word in each.values.words]:
        yield f"{start} -a {_quoted(' '.join(words))}"
    if any(each.values.is_path for each in command.arguments):
        yield f"{start} -F"
    for option in command.options:
        yield f"{start} {_names(option)}{_value(option)} -d {_quoted(option.help)}"


def _names(option: Option) -> str:
    return " ".join(
        f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names
    )


def _value(option: Option) -> str:
    if option.values is None:
        return ""
    if option.values.words:
        return f" -x -a {_quoted(' '.join(option.values.words))}"
    return " -r -F" if option.values.is_path else " -x"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
