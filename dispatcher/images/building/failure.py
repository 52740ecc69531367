"""Where a build or its test failed, and why, out of what Apptainer printed."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["failed_build", "failed_test", "no_space"]


def failed_build(output: str, definition: Path) -> str:
    """``%post of relion.def, at the command "apt-get …": E: Unable to locate package; …``.

    The command is the last one that the section's shell said it ran, its variables filled in; what
    is quoted is that command's.
    """
    lines = _plain_lines(output)
    if lacking := re.search(r"destination (\S+) doesn't exist in container", output):
        return (
            f"{definition}: a base has no folder {lacking[1]}, where the build binds a folder "
            "of this machine, and Apptainer cannot make it there: take bases that have that folder"
        )
    section = re.search(r"while running %?(post|setup|pre) s|running %?(pre|setup|post)", output)
    fatal = [line for line in lines if line.startswith(("FATAL", "ERROR"))]
    reason = re.sub(r"^\w+\s*:\s*", "", fatal[-1]) if fatal else (lines or ["no output"])[-1]
    if not (section and fatal):
        return f"{definition}: {reason}"
    commands = [number for number, line in enumerate(lines) if re.match(r"\++ ", line)]
    at = f', at the command "{lines[commands[-1]].lstrip("+ ")}"' if commands else ""
    said = [line for line in lines if line not in fatal and not re.match(r"\++ |INFO", line)]
    last = [line for line in lines[commands[-1] :] if line in said] if commands else []
    why = f"{_telling(last or said)}; {reason}" if said else reason
    return f"%{section[1] or section[2]} of {definition}{at}: {why}"


def _telling(lines: list[str]) -> str:
    """The first error of a compiler or of CMake, which the others follow from; else the last line.

    CMake says what is wrong in the line below the place: "CMake Error at FILE:145 (message):".
    """
    for number, line in enumerate(lines):
        if line.startswith("CMake Error"):
            return " ".join(lines[number : number + 2 if line.endswith(":") else number + 1])
        if re.search(r"\berror: ", line):
            return line
    return lines[-1]


def failed_test(output: str, definition: Path, text: str) -> str:
    """``%test of relion.def, line 30: relion_refin: not found``; `text` is the definition's."""
    lines = [line for line in _plain_lines(output) if not line.startswith("INFO")]
    said = lines[-1] if lines else "it printed nothing"
    starts = [n for n, line in enumerate(text.splitlines(), 1) if re.match(r"%test\b", line)]
    # Apptainer writes two lines before the section's own.
    found = re.match(r"\S*/\.singularity\.d/test: (?:line )?(\d+): (.*)", said)
    if not (starts and found):
        return f"%test of {definition}: {said}"
    return f"%test of {definition}, line {starts[-1] + int(found[1]) - 2}: {found[2]}"


def no_space(output: str) -> bool:
    """Whether a disk was full."""
    return bool(re.search(r"no space left on device|disk quota exceeded", output, re.IGNORECASE))


def _plain_lines(output: str) -> list[str]:
    plain = re.sub(r"\x1b\[[\d;]*m", "", output)
    return [line.strip() for line in re.split(r"[\r\n]", plain) if line.strip()]
