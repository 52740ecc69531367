"""The locked requirements hold what pyproject.toml asks for, by digest; and how pip gets at it."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = {
    "requirements.txt": 11,
    "build_requirements.txt": 4,
    "test_requirements.txt": 30,
    "docs_requirements.txt": 20,
    "clients_requirements.txt": 60,
    "lock_requirements.txt": 1,
}
LOCKED = {name: (ROOT / "deploy" / name).read_text() for name in FILES}
PINS = {
    name: dict(re.findall(r"^([\w-]+)==(\S+)", text, re.MULTILINE)) for name, text in LOCKED.items()
}


def test_the_pins_are_those_of_pyproject() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = pyproject["project"]
    extras, libraries = project["optional-dependencies"], project["dependencies"]
    wanted = {
        "requirements.txt": libraries + extras["plot"],
        "build_requirements.txt": pyproject["build-system"]["requires"],
        "test_requirements.txt": libraries + extras["test"],
        "docs_requirements.txt": libraries + extras["docs"],
        "clients_requirements.txt": extras["clients"],
        "lock_requirements.txt": extras["lock"],
    }

    assert set(FILES) == set(wanted) == {path.name for path in (ROOT / "deploy").glob("*.txt")}
    for file, requirements in wanted.items():
        for requirement in requirements:
            name, _, version = requirement.partition("==")
            assert PINS[file][name] == version, "run deploy/update_requirements.sh"


def test_tests_and_documentation_get_the_libraries_of_an_installation() -> None:
    for file in ("test_requirements.txt", "docs_requirements.txt"):
        for name in set(PINS[file]) & set(PINS["requirements.txt"]):
            assert PINS[file][name] == PINS["requirements.txt"][name]


@pytest.mark.parametrize(("file", "least"), FILES.items())
def test_each_library_has_digests_and_no_address(file: str, least: int) -> None:
    locked = re.sub(r"\A(#.*\n)+", "", LOCKED[file])
    entries = re.split(r"\n(?=[a-z])", locked.strip())

    assert len(entries) >= len(PINS[file]) >= least
    for entry in entries:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry
    assert not re.search(r"https?:|file:|--(extra-)?index|--find-links", locked)


def pip_list(folder: Path, file: str, **variables: str) -> str:
    """What `pip config list` prints where pip.conf is `file`."""
    (folder / "pip.conf").write_text(file)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    return subprocess.run(
        [sys.executable, "-I", "-m", "pip", "config", "list"],
        env=kept | {"PIP_CONFIG_FILE": str(folder / "pip.conf"), "HOME": str(folder)} | variables,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def way(listed: str, argument: str) -> str:
    """What deploy/pip_settings.py makes of it."""
    command = [sys.executable, "-I", str(ROOT / "deploy" / "pip_settings.py"), argument]
    return subprocess.run(command, input=listed, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("variables", "index"),
    [
        ({}, "https://own.example/simple"),
        (
            {"PIP_INDEX_URL": "https://me:x%40y@env.example/simple"},
            "https://me:x%40y@env.example/simple",
        ),
    ],
)
def test_the_appliances_pip_gets_the_machines_way_to_its_index(
    tmp_path: Path, variables: dict[str, str], index: str
) -> None:
    listed = pip_list(
        tmp_path,
        "[global]\nindex-url = https://all.example/simple\ntimeout = 7\nextra-index-url =\n"
        "    https://b.example/simple\n    file:///srv/simple\n    https://c.example/simple\n"
        "[install]\nindex-url = https://own.example/simple\ntrusted-host = own.example\n",
        **variables,
    )
    bundle = tmp_path / "bundle.crt"
    bundle.touch()
    listed += f"global.cert={str(bundle)!r}\n"
    (tmp_path / "ca.crt").touch()
    # As pip reads it.
    read = configparser.RawConfigParser()
    read.read_string(way(listed, str(tmp_path)))

    assert dict(read["global"]) == {
        "index-url": index,
        "extra-index-url": "https://b.example/simple https://c.example/simple",
        "trusted-host": "own.example",
        "cert": f"{tmp_path}/ca.crt",
    }
    assert "cert" not in way(listed, "/nowhere")
    assert way(listed, "--certificates").strip() == str(bundle)
