"""Why a build failed, as well as Apptainer's output tells."""

from __future__ import annotations

import re
from pathlib import Path

from .definition import place_of_command, section_start

__all__ = ["no_space", "test_failure", "what_failed"]


def what_failed(output: str, definition: Path, text: str) -> str:
    """``%post of relion.def, line 12, "apt-get …": E: Unable to locate package``."""
    lines = _plain_lines(output)
    section = re.search(r"while running %?(post|setup|pre) s|running %?(pre|setup|post)", output)
    fatal = [line for line in lines if line.startswith(("FATAL", "ERROR"))]
    reason = re.sub(r"^\w+\s*:\s*", "", fatal[-1]) if fatal else (lines or ["no output"])[-1]
    if not (section and fatal):
        return f"{definition}: {reason}"
    name = section[1] or section[2]
    commands = [line.lstrip("+ ") for line in lines if re.match(r"\++ ", line)]
    place = place_of_command(text, name, commands[-1]) if commands else None
    if place is None:
        where = f"%{name} of {definition}"
    else:
        where = f'%{name} of {definition}, line {place.line}, "{place.text}"'
    said = [line for line in lines if line not in fatal and not re.match(r"\++ |INFO", line)]
    return f"{where}: {said[-1] + '; ' if said else ''}{reason}"


def test_failure(output: str, definition: Path, text: str) -> str:
    """``%test of relion.def, line 30: relion_refin: not found``."""
    lines = [line for line in _plain_lines(output) if not line.startswith("INFO")]
    said = lines[-1] if lines else "it printed nothing"
    start = section_start(text, "test")
    # Apptainer writes two lines before the section's own.
    found = re.match(r"\S*/\.singularity\.d/test: (?:line )?(\d+): (.*)", said)
    if not (start and found):
        return f"%test of {definition}: {said}"
    return f"%test of {definition}, line {start + int(found[1]) - 2}: {found[2]}"


def no_space(output: str) -> bool:
    """Whether a disk was full."""
    return bool(re.search(r"no space left on device|disk quota exceeded", output, re.IGNORECASE))


def _plain_lines(output: str) -> list[str]:
    plain = re.sub(r"\x1b\[[\d;]*m", "", output)
    return [line.strip() for line in re.split(r"[\r\n]", plain) if line.strip()]
