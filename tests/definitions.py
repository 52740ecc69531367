"""Apptainer definitions taken apart: stages, sections, arguments.

``python -m tests.definitions FOLDER`` writes every shell section of containers/*.def, its
arguments filled in, into a file of its own, for shellcheck.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

CONTAINERS = Path(__file__).parents[1] / "containers"
SHELL = {"pre", "setup", "post", "environment", "test", "runscript", "startscript"}


class Section(NamedTuple):
    """A section: ``%files from build`` has the name ``files`` and the stage ``build``."""

    name: str
    stage: str
    lines: list[str]

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"


class Stage(NamedTuple):
    """One image of a definition: what stands before its first section, and its sections."""

    header: str
    sections: list[Section]

    @property
    def name(self) -> str:
        found = re.search(r"^Stage: (\S+)$", self.header, re.MULTILINE)
        return found[1] if found else ""

    def all(self, name: str) -> list[Section]:
        return [section for section in self.sections if section.name == name]

    def text(self, name: str) -> str:
        return "".join(section.text for section in self.all(name))

    @property
    def arguments(self) -> dict[str, str]:
        """The defaults of %arguments; Apptainer keeps them for this stage alone."""
        lines = [line.strip() for section in self.all("arguments") for line in section.lines]
        pairs = [line.partition("=")[::2] for line in lines if line and not line.startswith("#")]
        return dict(pairs)

    @property
    def used_arguments(self) -> set[str]:
        text = self.header + "".join(section.text for section in self.sections)
        return set(re.findall(r"\{\{\s*(\w+)\s*\}\}", text))


def stages(text: str) -> list[Stage]:
    """The stages of a definition's text, in file order; each begins with Bootstrap."""
    found: list[Stage] = []
    for line in text.splitlines():
        if line.startswith("Bootstrap:"):
            found.append(Stage("", []))
        if not found:
            continue
        stage = found[-1]
        if section := re.match(r"%(\w+)(?: from (\S+))?\s*$", line):
            stage.sections.append(Section(section[1], section[2] or "", []))
        elif stage.sections:
            stage.sections[-1].lines.append(line)
        else:
            found[-1] = Stage(stage.header + line + "\n", [])
    return found


def filled(text: str, arguments: Mapping[str, str]) -> str:
    """The text with every ``{{ argument }}`` in it; a KeyError for one without a value."""
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda match: arguments[match[1]], text)


def main(folder: Path) -> None:
    for path in sorted(CONTAINERS.glob("*.def")):
        for number, stage in enumerate(stages(path.read_text())):
            for section in stage.sections:
                if section.name in SHELL:
                    script = folder / f"{path.stem}-{number}-{section.name}.sh"
                    script.write_text("#!/bin/sh\n" + filled(section.text, stage.arguments))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
