"""The completion function of zsh, a file for its ``fpath``."""

from __future__ import annotations

import re

from .command_tree import Command, Option, Values, all_of

__all__ = ["zsh_completion"]

_START = """\
#compdef relion-dispatch
# Completion of relion-dispatch {version} for zsh, by `relion-dispatch help-files`.
_relion-dispatch() {{
    local at='' next
    local -i n=1
    local -a below known=({known})
    while (( n + 1 < CURRENT )); do
        next="${{at:+$at }}$words[n+1]"
        (( $known[(Ie)$next] )) || break
        at=$next
        n+=1
    done
    words=("${{(@)words[n,-1]}}")
    (( CURRENT -= n - 1 ))
    case $at in
"""
_END = """\
    esac
}
_relion-dispatch "$@"
"""


def zsh_completion(tree: Command, version: str) -> str:
    """The function, which zsh loads at the first Tab."""
    commands = list(all_of(tree))
    known = " ".join(_quoted(each.words) for each in commands if each.path)
    return "".join([_START.format(version=version, known=known), *map(_of_command, commands), _END])


def _of_command(command: Command) -> str:
    specs = [spec for option in command.options for spec in _specs(option)]
    lines = [f"        ({_quoted(command.words)})"]
    if command.below:
        each = [_quoted(f"{held.path[-1]}:{held.short}") for held in command.below]
        lines.append(f"            below=({' '.join(each)})")
        specs.append(_quoted("1:command:{_describe command below}"))
    for number, argument in enumerate(command.arguments, 1):
        place = "*" if argument.repeats else str(number)
        specs.append(_quoted(f"{place}{_action(argument.values)}"))
    continued = " \\\n                ".join(["_arguments -s -S", *specs])
    return "\n".join([*lines, f"            {continued}", "            ;;\n"])


def _specs(option: Option) -> list[str]:
    ends = option.names[0] in ("--help", "-h", "--version") and option.values is None
    before = "(- *)" if ends else "*" if option.repeats else ""
    words = re.sub(r"([\[\]\\])", r"\\\1", option.help)
    value = _action(option.values) if option.values else ""
    names = [f"{name}=" if value and name[:2] == "--" else name for name in option.names]
    return [_quoted(f"{before}{name}[{words}]{value}") for name in names]


def _action(values: Values) -> str:
    name = values.name.replace(":", " ")
    if values.words:
        return f":{name}:({' '.join(values.words)})"
    return f":{name}:{'_files' if values.is_path else ' '}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
