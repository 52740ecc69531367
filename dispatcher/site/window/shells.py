"""The variables of RELION's window as sh, csh, Lua or Tcl reads them.

Labels and helps are a site's own text: whatever it has, nothing of it may be run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from ...planning.window_variables import WindowVariables

__all__ = ["LANGUAGES", "as_list"]

_MADE = "Made from site.json by `relion-dispatch site environment`: change site.json alone."


def _as_sh(variables: WindowVariables) -> str:
    """For sh, bash, ksh and zsh."""
    lines = [f"# {_MADE}", "# shellcheck shell=sh"]
    for name, value in variables.fields.items():
        lines.append(f"export {name}={_sh_word(value)}")
    for name, value in variables.defaults.items():
        lines.append(f'[ -n "${{{name}+set}}" ] || export {name}={_sh_word(value)}')
    return _joined(lines)


def _sh_word(value: str) -> str:
    return "'" + value.replace("'", r"'\''") + "'"


def _as_csh(variables: WindowVariables) -> str:
    """For csh and tcsh."""
    lines = [f"# {_MADE}"]
    for name, value in variables.fields.items():
        lines.append(f"setenv {name} {_csh_word(value)}")
    for name, value in variables.defaults.items():
        lines.append(f"if ( ! $?{name} ) setenv {name} {_csh_word(value)}")
    return _joined(lines)


def _csh_word(value: str) -> str:
    """`!` is looked for in quotes too; and to tcsh's `backslash_quote` a backslash there quotes."""
    return "'" + re.sub(r"(['!\\])", r"'\\\1'", value) + "'"


def _as_lua(variables: WindowVariables) -> str:
    """Lines of a module of Lmod's. What they set, they take away when the module is unloaded; so
    they do not leave out what is set before."""
    return _joined([f"-- {_MADE}", *(f"setenv({_lua(n)}, {_lua(v)})" for n, v in _all(variables))])


def _lua(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def _as_tcl(variables: WindowVariables) -> str:
    """Lines of a module of Environment Modules; see the ones of Lmod's."""
    return _joined([f"# {_MADE}", *(f"setenv {n} {_tcl_word(v)}" for n, v in _all(variables))])


def _tcl_word(value: str) -> str:
    """Lmod reads such a file as Latin-1 in any locale, so that other letters are escapes."""
    quoted = re.sub(r'(["\\$\[\]{}])', r"\\\1", value)
    return '"' + re.sub("[\x80-\uffff]", lambda each: f"\\u{ord(each[0]):04x}", quoted) + '"'


def as_list(variables: WindowVariables) -> str:
    """For the modules that come with the dispatcher. They read it as data: who unloads a module
    must not miss what it has set, whatever the site's window has become since then."""
    return _joined(
        [
            f"# {_MADE}",
            *(f"always {name} {value}" for name, value in variables.fields.items()),
            *(f"default {name} {value}" for name, value in variables.defaults.items()),
        ]
    )


def _all(variables: WindowVariables) -> list[tuple[str, str]]:
    return [*variables.fields.items(), *variables.defaults.items()]


def _joined(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


LANGUAGES: Mapping[str, Callable[[WindowVariables], str]] = {
    "sh": _as_sh,
    "csh": _as_csh,
    "lua": _as_lua,
    "tcl": _as_tcl,
}
