"""``deploy/install.sh`` refuses what other users cannot start, whoever installs.

Root and an owner see no modes, so these are read. Nothing is installed here: install.sh ends
before, and tests/system/installation has whole installations.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody can enter, which those of pytest are not."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def copied_python(folder: Path) -> Path:
    """The program of a Python in that folder; its library stays where it is."""
    folder.mkdir(parents=True)
    program = folder / "python3"
    shutil.copy(os.path.realpath(sys.executable), program)
    works = [program, "-I", "-c", "import ensurepip, math, venv"]
    if subprocess.run(works, capture_output=True).returncode:
        pytest.skip("a copy of this Python does not find its library")
    return program


def install(prefix: Path, *arguments: str | Path, **variables: str) -> tuple[int, str]:
    done = subprocess.run(
        [ROOT / "deploy" / "install.sh", "--prefix", prefix, *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.returncode, done.stderr


def functions(prefix: Path, command: str) -> str:
    """What the functions of install.sh print for that prefix."""
    script = f'. "{ROOT}/deploy/install/reach.sh"; prefix=$1; find_users; {command}'
    done = subprocess.run(
        ["bash", "-c", script, "bash", prefix], capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("closed", ["home", "home/bin"])
def test_a_python_in_a_folder_that_is_closed_to_others_is_refused(
    closed: str, folder: Path
) -> None:
    python = copied_python(folder / "home" / "bin")
    (folder / closed).chmod(0o700)

    status, said = install(folder / "prefix", "--python", python)

    assert status == 1
    assert (
        f"other users cannot start {python}, because {folder / closed} (mode 700) is closed to them"
    ) in said
    assert not (folder / "prefix" / "versions").exists()


def test_a_python_that_others_may_read_and_not_start_is_refused(folder: Path) -> None:
    python = copied_python(folder / "bin")
    python.chmod(0o744)

    status, said = install(folder / "prefix", "--python", python)

    assert (status, f"because {python} (mode 744) is closed" in said) == (1, True)


def test_an_apptainer_that_others_cannot_start_is_refused(folder: Path) -> None:
    program = folder / "home" / "apptainer"
    program.parent.mkdir(mode=0o700)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)

    status, said = install(folder / "prefix", "--appliance", RELION_DISPATCH_APPTAINER=str(program))

    assert status == 1
    assert f"other users cannot start {program}, because {program.parent} (mode 700)" in said


def test_whoever_installs_in_a_closed_folder_installs_for_himself(folder: Path) -> None:
    (folder / "home").mkdir(mode=0o700)
    (folder / "other").mkdir(mode=0o700)

    said = functions(
        folder / "home" / "prefix",
        f'echo "<$users> $closed_prefix"; first_closed read "{folder}/other"',
    )

    assert said == f"<> {folder}/home\n"


def test_a_group_that_can_enter_the_prefix_must_be_able_to_start_all(folder: Path) -> None:
    for name, mode in (("prefix", 0o750), ("same", 0o750), ("closed", 0o700)):
        (folder / name).mkdir()
        (folder / name).chmod(mode)
    group = folder.stat().st_gid

    look = 'first_closed read "{}" || echo none'
    said = functions(
        folder / "prefix",
        "; ".join(["echo $users", *(look.format(folder / each) for each in ("same", "closed"))]),
    )

    assert said == f"{group}\nnone\n{folder}/closed\n"
