"""Can a definition be built, and its image catalogued? Asked before anything starts."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from ...config.json_files import nearest
from ...errors import ImageError
from .stages import read_stages

__all__ = ["check", "declared_arguments", "read_definition"]


def check(
    path: Path, arguments: Mapping[str, str], scratch: Path, bases: Collection[str] = ()
) -> None:
    """Check that the definition can be built and its image catalogued.

    `scratch` is a folder for the parser's copy; `bases` are the names of local images
    that will lie beside the definition.

    Raises:
        ImageError: it is no definition, has no %test or no labels, does not know an argument, or
            leaves one without a value; or a stage is to start from a local image that is not there.
    """
    text = read_definition(path)
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
    final = read_stages(path, text, scratch)[-1]
    _check_bases(path, text, bases)
    if not final.test:
        raise ImageError(
            f"The definition {path} has no %test in its last stage: add a %test that runs RELION's "
            "programs, because only a tested image is put into the catalogue."
        )
    labelled = re.search("(APPTAINER|SINGULARITY)_LABELS", "\n".join(final.post))
    if not final.labels and not labelled:
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
    """The text with its ``{{ arguments }}`` filled in, if they have a value."""
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: values.get(found[1], found[0]), text)


def _check_bases(path: Path, text: str, bases: Collection[str]) -> None:
    for stage in _headers(text):
        origin = stage.get("from", "")
        if stage["bootstrap"] != "localimage" or origin in bases:
            continue
        if not (origin and (path.parent / origin).exists()):
            which = f"The stage {stage['stage']} of {path}" if "stage" in stage else str(path)
            raise ImageError(
                f"{which} starts from the local image {origin or '(none)'}, which does not exist: "
                "give all its bases as files, --base for `from` and --build-base for `build_from`, "
                "or none of them."
            )


def _headers(text: str) -> Iterator[dict[str, str]]:
    """What comes before each stage's sections: ``{"bootstrap": "docker", "from": …}``."""
    for stage in re.split(r"^(?=Bootstrap:)", text, flags=re.MULTILINE | re.IGNORECASE)[1:]:
        header = re.split(r"^%", stage, maxsplit=1, flags=re.MULTILINE)[0]
        found = re.findall(r"^(\w+):[ \t]*(.*?)[ \t]*$", header, re.MULTILINE)
        yield {key.lower(): value for key, value in found}


def read_definition(path: Path) -> str:
    """The definition's text.

    Raises:
        ImageError: it cannot be read.
    """
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ImageError(f"The definition {path} cannot be read ({error}).") from error
