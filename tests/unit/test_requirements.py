"""deploy/requirements.txt holds what pyproject.toml asks for, by digest."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
REQUIREMENTS = (ROOT / "deploy" / "requirements.txt").read_text()
PINS = dict(re.findall(r"^([\w-]+)==(\S+)", REQUIREMENTS, re.MULTILINE))


def test_the_runtime_pins_are_those_of_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    for requirement in project["dependencies"]:
        name, _, version = requirement.partition("==")
        assert PINS[name] == version, "run deploy/update_requirements.sh"


def test_each_library_has_digests_and_no_address() -> None:
    entries = re.split(r"\n(?=[a-z])", REQUIREMENTS[REQUIREMENTS.index("\nannotated") :].strip())

    assert len(entries) >= len(PINS) > 10
    for entry in entries:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry
    assert not re.search(r"https?:|file:|--(extra-)?index|--find-links", REQUIREMENTS)
