"""The directives of a job script, read as sbatch reads them: a misspelt option fails.

Written to the man page of sbatch (22.05 to 26.05): long options in full or as a beginning that only
one has, with the form of what follows.
"""

from __future__ import annotations

import re
import shlex

from dispatcher.job_script.launchers import settled
from dispatcher.job_script.scheduler_templates import directive, first_command
from dispatcher.job_script.variables import NO_TOKEN
from dispatcher.planning.plan import Plan

__all__ = ["directives"]

_NAMES = r"[\w.@+-]+"
_TIME = r"\d+|\d+:\d+|\d+:\d+:\d+|\d+-\d+(:\d+){0,2}"
_MEMORY = r"\d+[KMGT]?B?"
_GRES = rf"{_NAMES}(:{_NAMES})?(:\d+[KMGT]?)?"
_MAIL = "NONE|BEGIN|END|FAIL|REQUEUE|ALL|STAGE_OUT|TIME_LIMIT(_\\d+)?|INVALID_DEPEND|ARRAY_TASKS"

# What may follow each option; None for nothing.
_OPTIONS = {
    "account": _NAMES,
    "comment": ".+",
    "constraint": rf"{_NAMES}([&|]{_NAMES})*",
    "cpus-per-task": r"[1-9]\d*",
    "error": ".+",
    "exclude": rf"{_NAMES}(,{_NAMES})*",
    "exclusive": f"(user|mcs)|{_NAMES}",
    "export": ".+",
    "gres": f"{_GRES}(,{_GRES})*",
    "hint": "compute_bound|memory_bound|(no)?multithread",
    "hold": None,
    "job-name": ".+",
    "licenses": rf"{_NAMES}(:\d+)?(,{_NAMES}(:\d+)?)*",
    "mail-type": f"({_MAIL})(,({_MAIL}))*",
    "mail-user": r"[\w.+-]+@[\w.-]+",
    "mem": _MEMORY,
    "mem-per-cpu": _MEMORY,
    "nice": r"-?\d+",
    "nodes": r"\d+(-\d+)?",
    "no-requeue": None,
    "ntasks": r"[1-9]\d*",
    "ntasks-per-node": r"[1-9]\d*",
    "open-mode": "append|truncate",
    "output": ".+",
    "partition": f"{_NAMES}(,{_NAMES})*",
    "qos": _NAMES,
    "reservation": _NAMES,
    "signal": r"([RB]:)?(\w+)(@\d+)?",
    "spread-job": None,
    "time": _TIME,
    "tmp": _MEMORY,
    "wckey": _NAMES,
}
_MAY_STAND_ALONE = ("exclusive", "nice")
_SHORT = {"A": "account", "p": "partition", "q": "qos", "C": "constraint", "t": "time"}


def directives(script: str | Plan) -> dict[str, list[str]]:
    """The values of each option, in order; `script` may be the plan that it is made from."""
    if isinstance(script, Plan):
        _, script = settled(script, NO_TOKEN)
    lines = script.splitlines()
    found: dict[str, list[str]] = {}
    for line in lines[: first_command(lines)]:
        if line.startswith("#SBATCH"):
            option = directive(line)
            assert option, f"sbatch reads no option in {line}"
            name, value = _read(shlex.split(option))
            found.setdefault(name, []).append(value)
    return found


def _read(words: list[str]) -> tuple[str, str]:
    """Name and value of an option."""
    first, *rest = words
    if first.startswith("--"):
        name, equals, value = first[2:].partition("=")
        possible = [each for each in _OPTIONS if each == name] or [
            each for each in _OPTIONS if name and each.startswith(name)
        ]
        assert len(possible) == 1, f"sbatch has no option --{name}"
        name, value = possible[0], value if equals else " ".join(rest)
    else:
        assert first[1:2] in _SHORT, f"sbatch has no option {first}"
        name, value = _SHORT[first[1]], first[2:] or " ".join(rest)
    form = _OPTIONS[name]
    if form is None or (name in _MAY_STAND_ALONE and not value):
        assert not value, f"--{name} takes no value, found {value}"
    else:
        assert re.fullmatch(form, value), f"--{name} takes no {value!r}"
    return name, value
