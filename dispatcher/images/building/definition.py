"""Apptainer definitions, read before a build starts and when it has failed."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from ...config.json_files import nearest
from ...errors import ImageError

__all__ = [
    "CommandPlace",
    "check",
    "no_space",
    "place_of_command",
    "section_start",
    "test_failure",
    "what_failed",
]


# Up to the next section or stage.
_ARGUMENTS = re.compile(r"^%arguments\b.*\n(?:(?!%\w|bootstrap:).*(?:\n|\Z))*", re.M | re.I)


class CommandPlace(NamedTuple):
    """A line of a definition; `line` counts from 1."""

    line: int
    text: str


def check(
    path: Path, arguments: Mapping[str, str], scratch: Path, bases: Collection[str] = ()
) -> None:
    """See that the definition can be built and its image catalogued, before anything starts.

    `scratch` is a folder for the copy that the parser reads; `bases` are the names of local images
    that will lie beside the definition.

    Raises:
        ImageError: it is no definition, has no %test or no labels, does not know an argument, or
            leaves one without a value; or a stage is to start from a local image that is not there.
    """
    text = _read(path)
    declared = declared_arguments(text)
    for name in arguments:
        if name not in declared:
            raise ImageError(
                f"The definition {path} has no argument {name}{nearest(name, list(declared))}: its "
                f"%arguments are {', '.join(declared) or 'none'}."
            )
    values = {**declared, **arguments}
    used = re.findall(r"\{\{\s*(\w+)\s*\}\}", text)
    if missing := [name for name in used if name not in values]:
        raise ImageError(
            f"The definition {path} uses {{{{ {missing[0]} }}}}, which has no value: add it to "
            "%arguments."
        )
    text = filled(text, values)
    final = _last_stage(path, text, scratch)
    _check_bases(path, text, bases)
    if not final.test:
        raise ImageError(
            f"The definition {path} has no %test in its last stage: add one that runs RELION's "
            "programs; an image that was not tested is not put into the catalogue."
        )
    commands = "\n".join(final.install)
    if not final.labels and not re.search("(APPTAINER|SINGULARITY)_LABELS", commands):
        raise ImageError(
            f"The definition {path} gives its image no labels: add %labels with relion.version, "
            'relion.gpu and relion.mpi, or write them to "$APPTAINER_LABELS" in %post.'
        )


def declared_arguments(text: str) -> dict[str, str]:
    """The arguments that the stages' %arguments declare, with their defaults."""
    found: dict[str, str] = {}
    section = ""
    for line in text.splitlines():
        stripped = line.strip()
        if re.match(r"%\w", line):
            section = stripped.split()[0]
        elif section == "%arguments" and re.match(r"\w+\s*=", stripped):
            name, _, value = stripped.partition("=")
            found[name.strip()] = value.strip()
    return found


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with its ``{{ arguments }}`` filled in, where they have a value."""
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: values.get(found[1], found[0]), text)


def section_start(text: str, name: str) -> int | None:
    """The line number, from 1, of the last section of that name ("post")."""
    lines = enumerate(text.splitlines(), 1)
    found = [number for number, line in lines if re.match(rf"%{name}\b", line)]
    return found[-1] if found else None


def place_of_command(text: str, section: str, command: str) -> CommandPlace | None:
    """Where in the definition a command stands that the shell said it ran, ``ls /x``.

    The shell prints it with variables filled in and quotes removed, so the most similar line of
    the section is taken, if one is similar.
    """
    candidates: list[tuple[float, CommandPlace]] = []
    current = ""
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r"%\w", line):
            current = line.split()[0][1:]
        elif current == section and (stripped := line.strip()) and not stripped.startswith("#"):
            plain = re.sub(r"[\"'{};\\]", "", stripped)
            likeness = difflib.SequenceMatcher(None, plain, re.sub("[\"']", "", command)).ratio()
            candidates.append((likeness, CommandPlace(number, stripped)))
    if not candidates:
        return None
    likeness, place = max(candidates, key=lambda each: each[0])
    return place if likeness > 0.6 else None


def _check_bases(path: Path, text: str, bases: Collection[str]) -> None:
    for stage in _headers(text):
        origin = stage.get("from", "")
        if stage["bootstrap"] != "localimage" or origin in bases:
            continue
        if not (origin and (path.parent / origin).exists()):
            which = f"The stage {stage['stage']} of {path}" if "stage" in stage else str(path)
            raise ImageError(
                f"{which} starts from the local image {origin or '(none)'}, which is not there: "
                "give all its bases as files, --base for `from` and --build-base for `build_from`, "
                "or none of them."
            )


def _headers(text: str) -> Iterator[dict[str, str]]:
    """What stands before each stage's sections: ``{"bootstrap": "docker", "from": …}``."""
    for stage in re.split(r"^(?=Bootstrap:)", text, flags=re.MULTILINE | re.IGNORECASE)[1:]:
        header = re.split(r"^%", stage, maxsplit=1, flags=re.MULTILINE)[0]
        found = re.findall(r"^(\w+):[ \t]*(.*?)[ \t]*$", header, re.MULTILINE)
        yield {key.lower(): value for key, value in found}


def _last_stage(path: Path, text: str, scratch: Path) -> Any:
    """spython's reading of the last stage.

    spython takes no Bootstrap but docker, and takes comments and %arguments that mention it for the
    keyword.
    """
    from spython.main.parse.parsers import get_parser  # type: ignore[import-untyped]

    if not re.search(r"^Bootstrap:\s*\S", text, re.MULTILINE | re.IGNORECASE):
        raise ImageError(f"{path} is no Apptainer definition: it has no line `Bootstrap: …`.")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    plain = _ARGUMENTS.sub("", "\n".join(lines))
    copy = scratch / "definition-for-parser"
    bootstrap = re.compile(r"^Bootstrap:.*$", re.MULTILINE | re.IGNORECASE)
    copy.write_text(bootstrap.sub("Bootstrap: docker", plain) + "\n")
    said = StringIO()
    try:
        with redirect_stdout(said), redirect_stderr(said):
            recipe = get_parser("singularity")(str(copy)).recipe
    except (Exception, SystemExit) as error:  # it raises whatever it stumbles over
        print(said.getvalue(), file=sys.stderr, end="")
        raise ImageError(
            f"The definition {path} cannot be read ({str(error) or type(error).__name__}): mend it."
        ) from None
    finally:
        copy.unlink(missing_ok=True)
    return list(recipe.values())[-1]


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ImageError(f"The definition {path} cannot be read ({error}).") from error


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
