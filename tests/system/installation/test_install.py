"""What deploy/install.sh needs, and what it refuses."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ..project import ROOT
from .conftest import environment, install, version_of


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--prefix", "{other}"], "{other} contains other files"),
        (["--prefix", "{other}/file"], "{other}/file is a file"),
        (["--prefix", "{tmp}/a b"], "must not contain blanks"),
        (["--prefix", "{tmp}/a=b"], "must not contain blanks, quotes, = or"),
        (["--prefix", "/proc/new"], "the folder /proc/new cannot be made"),
        (["--prefix", "{tmp}/new", "--rollback"], "nothing is installed in {tmp}/new"),
        (["--prefix", "{venv}", "--rollback"], "has no version before"),
        (["--prefix", "{tmp}/new", "--venv", "--appliance"], "not both"),
        (["--prefix", "{tmp}/new", "--python", "/bin/true"], "/bin/true is not Python 3.11"),
        (["--prefix", "{tmp}/new", "--images", "{other}"], "--images and --build need --from"),
        (["--prefix", "{tmp}/new", "--from", "{tmp}/none"], "{tmp}/none does not exist"),
        (["--prefix", "{tmp}/new", "--base", "{tmp}/none"], "{tmp}/none does not exist"),
        (["--prefix", "{tmp}/new", "--venv", "--base", "docker"], "--base need --appliance"),
        (
            ["--prefix", "{tmp}/new", "--image", "{other}/file", "--base", "docker"],
            "give --base or --image, not both",
        ),
        (["--prefix", "{venv}", "--rollback", "--venv"], "--rollback installs nothing"),
        (["--prefix", "{venv}", "--from", "{other}/file", "--prune"], "leave out --from"),
        (["--prefix", "{venv}", "--rollback", "--prune"], "give --rollback or --prune, not both"),
    ],
)
def test_what_cannot_be_done_is_said(
    arguments: list[str], message: str, installed: Callable[[str], Path], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "file").touch()
    names = {"other": other, "tmp": tmp_path, "venv": installed("venv")}

    done = subprocess.run(
        [ROOT / "deploy" / "install.sh", *(each.format(**names) for each in arguments)],
        env=environment(),
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1
    assert message.format(**names) in done.stderr
    assert [path.name for path in other.iterdir()] == ["file"]


def test_an_appliance_needs_apptainer(tmp_path: Path) -> None:
    done = install(
        tmp_path / "prefix", "--appliance", RELION_DISPATCH_APPTAINER="/nowhere/apptainer"
    )

    assert done.returncode == 1
    assert '--appliance needs Apptainer, and there is no "/nowhere/apptainer"' in done.stderr


def test_an_installation_without_the_internet(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    pip = ["python3", "-m", "pip", "download", "-q", "--require-hashes", "-d", wheels]
    for what in ("requirements.txt", "build_requirements.txt"):
        subprocess.run([*pip, "-r", ROOT / "deploy" / what], check=True, capture_output=True)

    done = install(
        tmp_path / "prefix",
        "--wheels",
        wheels,
        PIP_INDEX_URL="http://127.0.0.1:9/",
        PIP_EXTRA_INDEX_URL="",
        PIP_NO_CACHE_DIR="1",
    )

    assert done.returncode == 0, done.stderr
    version_of(tmp_path / "prefix")
