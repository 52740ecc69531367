"""What stands where in a submission? Two forms are read.

In that of our own template (`job_template/relion_template.sh`) the commands stand between marker
lines. The classic one has three lines: output file, error file, commands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from ..host.shared_files import opened_input

__all__ = ["Written", "is_from_our_template", "written"]

_COMMANDS = "----- commands -----"
_END = "----- end of commands -----"
_FIELD = re.compile(r"(outfile|errfile|queue|ranks|threads|extra[1-9][0-9]?): ?(.*)")


class Written(NamedTuple):
    """What RELION has written.

    Attributes:
        fields: by the names that our template has for them.
        lines: with their numbers, those in which commands stand.
    """

    fields: Mapping[str, str]
    lines: list[tuple[int, str]]

    @property
    def job(self) -> str:
        """The folder that output and error file have in common; "" if they have none."""
        out, err = (self.fields.get(name, "").rpartition("/")[0] for name in ("outfile", "errfile"))
        return out if out == err else ""


def written(lines: list[str], name: str) -> Written:
    """Read the lines of a submission script; `name` is used in error messages.

    Raises:
        InputError: the script is cut short.
    """
    return _from_our_template(lines, name) if _COMMANDS in lines else _from_classic(lines)


def _from_our_template(lines: list[str], name: str) -> Written:
    start = lines.index(_COMMANDS)
    if _END not in lines[start:]:
        raise InputError(
            f"The submission script {name} is cut short (no line '{_END}'), perhaps because "
            "the disk is full: submit the job again from RELION."
        )
    fields = filter(None, map(_FIELD.fullmatch, lines[:start]))
    between = lines[start + 1 : lines.index(_END, start)]
    return Written({each[1]: each[2].strip() for each in fields}, [*enumerate(between, start + 2)])


def _from_classic(lines: list[str]) -> Written:
    """Comments among the commands are left out."""
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    fields = zip(("outfile", "errfile"), (line.strip() for _, line in numbered), strict=False)
    below = [(number, line) for number, line in numbered[2:] if line.lstrip()[0] != "#"]
    return Written(dict(fields), below)


def is_from_our_template(script: Path) -> bool:
    """Whether RELION wrote this submission script from our template."""
    try:
        with opened_input(script) as stream:
            return f"\n{_COMMANDS}\n".encode() in stream.read(4096)
    except OSError:
        return False
