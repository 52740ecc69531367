"""Each script that a person can call tells with -h what it does, and does nothing else."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
# These are the dispatcher's own commands, and what runs inside an image.
NO_SCRIPTS = (
    "deploy/appliance.sh",
    "deploy/environment/command.sh",
    "containers/image_test.sh",
    "containers/cuda_flags.sh",
)
SCRIPTS = [
    name
    for folder in ("deploy", "containers", "docs", "tests/golden", "tests")
    for path in sorted((ROOT / folder).glob("*.sh" if "tests" in folder else "**/*.sh"))
    if (name := str(path.relative_to(ROOT))) not in NO_SCRIPTS and os.access(path, os.X_OK)
]


def test_scripts_of_all_folders_are_looked_at() -> None:
    assert {"deploy/setup_apptainer.sh", "containers/build.sh", "tests/run.sh"} < set(SCRIPTS)


@pytest.mark.parametrize("option", ["-h", "--help"])
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_answers_and_does_nothing(script: str, option: str, tmp_path: Path) -> None:
    # What it could call to do something is not there, nor a home to write to.
    (tmp_path / "bin").mkdir()
    for program in ("bash", "env", "sed", "cat", "dirname"):
        (tmp_path / "bin" / program).symlink_to(f"/usr/bin/{program}")
    done = subprocess.run(
        [ROOT / script, option],
        cwd=tmp_path,
        env={"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path / "home")},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.split()) > 8
    assert "#" not in done.stdout[0] and "set -" not in done.stdout
    assert not (tmp_path / "home").exists()
