"""The completion script of bash. It starts no program, so that a Tab takes no time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .command_tree import Command, all_of

__all__ = ["bash_completion"]

_START = """\
# shellcheck shell=bash
# Completion of relion-dispatch {version} for bash 4 and newer, by `relion-dispatch help-files`.
_relion_dispatch() {{
    local IFS=$' \t\n' path='' words='' options='' paths='' at
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}}
    # bash takes --option=value for three words.
    [[ $before != = ]] || before=${{COMP_WORDS[COMP_CWORD - 2]}}
    [[ $word != = ]] || word=''
    for ((at = 1; at < COMP_CWORD; at++)); do
        case "$path ${{COMP_WORDS[at]}}" in
            {inner}) path+=" ${{COMP_WORDS[at]}}" ;;
        esac
    done
    case $path in
"""
_END = """\
    esac
    if [[ -n $words || $paths != yes ]]; then compopt +o default; fi
    [[ $word != -* || $before == -* && -n $words ]] || words=$options
    # shellcheck disable=SC2207 # none of the words has a blank
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _relion_dispatch relion-dispatch
"""


def bash_completion(tree: Command, version: str) -> str:
    """The script, which is sourced; it completes commands, options, and values that are known."""
    commands = list(all_of(tree))
    inner = " | ".join(_quoted(each) for each in commands if each.path)
    return "".join(
        [
            _START.format(version=version, inner=inner),
            *map(_of_command, commands),
            '    esac\n    case "$path $before" in\n',
            *_of_values(commands),
            _END,
        ]
    )


def _of_command(command: Command) -> str:
    options = " ".join(name for option in command.options for name in option.names)
    words = [each.path[-1] for each in command.below]
    words += [word for each in command.arguments[:1] for word in each.values.words]
    paths = "yes" if any(each.values.is_path for each in command.arguments) else ""
    sets = f"options='{options}' words='{' '.join(words)}' paths={paths}"
    return f"        {_quoted(command)}) {sets} ;;\n"


def _of_values(commands: Iterable[Command]) -> Iterator[str]:
    """What follows an option that takes a value, by what that may be."""
    after: dict[str, list[str]] = {}
    for command in commands:
        for option in command.options:
            if option.values:
                paths = "yes" if option.values.is_path else ""
                sets = f"words='{' '.join(option.values.words)}' paths={paths}"
                after.setdefault(sets, []).extend(_quoted(command, each) for each in option.names)
    for sets, places in after.items():
        yield f"        {' | '.join(places)}) {sets} ;;\n"


def _quoted(command: Command, option: str = "") -> str:
    """The words of the command and of its option, each with a blank before it."""
    return "'" + "".join(f" {word}" for word in (*command.path, option) if word) + "'"
