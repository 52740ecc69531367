"""The variables of RELION's window as sh, csh, Lua or Tcl reads them.

Labels and helps are a site's own text: whatever it has, nothing of it may be run. A default that an
earlier load has set is none of the user's: ``DEFAULTS`` tells them apart, and is set last.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from ...planning.window_variables import DEFAULTS, WindowVariables

__all__ = ["LANGUAGES", "as_list"]

_MADE = "Made from site.json by `relion-dispatch site environment`: change site.json alone."


def _as_sh(variables: WindowVariables) -> str:
    """For sh, bash, ksh and zsh."""
    lines = [f"# {_MADE}", "# shellcheck shell=sh"]
    for name, value in variables.fields.items():
        lines.append(f"export {name}={_sh_word(value)}")
    for name, value in variables.defaults.items():
        lines += [
            f'case ";${{{DEFAULTS}-}};" in *";{name}=${{{name}-}};"*) unset {name} ;; esac',
            f'[ -n "${{{name}+set}}" ] || export {name}={_sh_word(value)}',
        ]
    return _joined([*lines, f"export {DEFAULTS}={_sh_word(variables.noted)}"])


def _sh_word(value: str) -> str:
    return "'" + value.replace("'", r"'\''") + "'"


def _as_csh(variables: WindowVariables) -> str:
    """For csh and tcsh."""
    lines = [f"# {_MADE}"]
    for name, value in variables.fields.items():
        lines.append(f"setenv {name} {_csh_word(value)}")
    for name, value in variables.defaults.items():
        is_noted = f'";${{{DEFAULTS}}};" =~ *";{name}=${{{name}}};"*'
        lines += [
            f"if ( $?{DEFAULTS} && $?{name} ) then\n    if ( {is_noted} ) unsetenv {name}\nendif",
            f"if ( ! $?{name} ) setenv {name} {_csh_word(value)}",
        ]
    return _joined([*lines, f"setenv {DEFAULTS} {_csh_word(variables.noted)}"])


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
            f"always {DEFAULTS} {variables.noted}",
        ]
    )


def _all(variables: WindowVariables) -> list[tuple[str, str]]:
    return [*variables.fields.items(), *variables.defaults.items(), (DEFAULTS, variables.noted)]


def _joined(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


LANGUAGES: Mapping[str, Callable[[WindowVariables], str]] = {
    "sh": _as_sh,
    "csh": _as_csh,
    "lua": _as_lua,
    "tcl": _as_tcl,
}
