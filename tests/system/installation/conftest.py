"""Real installations by deploy/install.sh, in both forms."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ..project import ROOT

FORMS = ("venv", "appliance")


def environment(**more: str) -> dict[str, str]:
    """The environment of someone who has heard nothing of the dispatcher yet."""
    ours = ("RELION_QSUB_", "RELION_QUEUE_", "RELION_DISPATCH_")
    return {k: v for k, v in os.environ.items() if not k.startswith(ours)} | more


def install(
    prefix: Path, *arguments: str | Path, root: Path = ROOT, **more: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [root / "deploy" / "install.sh", "--prefix", prefix, *arguments],
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=900,
    )


def form_options(form: str) -> list[str]:
    """The options that install a form; the appliance is built once, by tests/run.sh."""
    image = os.environ.get("RELION_TEST_APPLIANCE")
    return ["--appliance", "--image", image] if form == "appliance" and image else [f"--{form}"]


@pytest.fixture(scope="package")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """``installed("venv")``: the prefix of an installation, made once."""
    made: dict[str, Path] = {}

    def get(form: str) -> Path:
        if form not in made:
            prefix = tmp_path_factory.mktemp(form) / "prefix"
            done = install(prefix, *form_options(form))
            assert done.returncode == 0, done.stderr
            made[form] = prefix
        return made[form]

    return get


@pytest.fixture
def checkout(tmp_path: Path) -> Callable[[str], Path]:
    """``checkout("0.2.0")``: a copy of this checkout that calls itself so."""

    return lambda version: copy_checkout(tmp_path, version)


def copy_checkout(parent: Path, version: str) -> Path:
    folder = parent / f"checkout-{version}"
    for name in ("dispatcher", "config", "job_template", "containers", "deploy", "docs/schemas"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    (folder / "dispatcher" / "__init__.py").write_text(f'__version__ = "{version}"\n')
    return folder


def version_of(prefix: Path) -> str:
    return subprocess.run(
        [prefix / "bin" / "relion-dispatch", "--version"],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


def run(prefix: Path, *arguments: str | Path, **more: str) -> str:
    done = subprocess.run(
        [prefix / "bin" / "relion-dispatch", *arguments],
        env=environment(**more),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def assert_as_in_manifest(prefix: Path) -> None:
    """Every file is as the manifest says, and every file of the versions is in it."""
    done = subprocess.run(
        ["sha256sum", "--check", "--quiet", "--strict", "MANIFEST"],
        cwd=prefix,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    manifest = (prefix / "MANIFEST").read_text()
    listed = set(re.findall(r"^[0-9a-f]{64}  (.*)$", manifest, re.MULTILINE))
    written = {
        str(path.relative_to(prefix))
        for path in (prefix / "versions").rglob("*")
        if path.is_file() and not path.is_symlink()
    }
    own = {str(path.relative_to(prefix)) for path in (prefix / "versions").glob("*/MANIFEST")}
    assert written - own == listed
