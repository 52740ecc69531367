"""Machines as login nodes are: no usable Python, no root, and no further ids for their users."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ..project import ROOT
from .conftest import assert_as_in_manifest, environment, version_of

APPTAINER = os.environ.get("RELION_TEST_APPTAINER", "")
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


def hidden() -> list[Path]:
    """Every Python that install.sh could find, and what a user is given for --fakeroot."""
    folders = [Path(folder) for folder in PATH.split(":")]
    pythons = [path for folder in folders for path in folder.glob("python3*")]
    ids = [Path("/etc/subuid"), Path("/etc/subgid"), Path("/usr/bin/fakeroot")]
    return sorted({path.resolve() for path in [*pythons, *ids] if path.is_file()})


def without_python(
    home: Path, *command: str | Path, before: str = "", **more: str
) -> subprocess.CompletedProcess[str]:
    """Run a command where all that is hidden; `before` is shell text, run as that machine's root.

    In a mount namespace of this user's, and in it in another user namespace: the caller is nobody
    special there.
    """
    home.mkdir(exist_ok=True)
    text = (
        "uid=$1 gid=$2; shift 2; "
        'while [ "$1" != -- ]; do mount --bind /dev/null "$1"; shift; done; '
        f'shift; {before} exec unshare --user --map-user="$uid" --map-group="$gid" "$@"'
    )
    kept = {k: v for k, v in environment().items() if not k.startswith("XDG_")}
    return subprocess.run(
        [
            *("unshare", "--user", "--map-root-user", "--mount", "sh", "-euc", text, "sh"),
            *(str(os.getuid()), str(os.getgid()), *map(str, hidden()), "--", *map(str, command)),
        ],
        env=kept | {"PATH": PATH, "HOME": str(home)} | more,
        capture_output=True,
        text=True,
        timeout=900,
    )


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare Debian 12 all of whose files are root's, as a user with one id alone can unpack it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    made = max(
        (cache / "relion-dispatch" / "bases").glob("debian-bookworm-*.sif"),
        key=lambda path: path.stat().st_mtime,
    )
    flat = tmp_path_factory.mktemp("base") / "debian.sif"
    subprocess.run(
        [APPTAINER, "build", "--fakeroot", "--mksquashfs-args=-all-root", flat, made],
        check=True,
        capture_output=True,
    )
    return flat


def test_the_appliance_is_built_and_installed(tmp_path: Path, base: Path) -> None:
    prefix, home = tmp_path / "prefix", tmp_path / "home"
    seen = without_python(home, "sh", "-c", "python3 --version || /usr/bin/python3 --version")
    assert seen.returncode != 0

    done = without_python(home, ROOT / "deploy/install.sh", "--prefix", prefix, "--base", base)

    assert done.returncode == 0, done.stderr
    assert "needs root" not in done.stderr
    assert (prefix / "current" / "appliance" / "dispatcher.sif").exists()
    assert version_of(prefix)
    assert_as_in_manifest(prefix)
    inside = without_python(home, prefix / "bin" / "relion-dispatch", "images", "list")
    assert inside.returncode == 0, inside.stderr


def test_without_apptainer_too_both_are_named(tmp_path: Path) -> None:
    done = without_python(
        tmp_path / "home",
        ROOT / "deploy" / "install.sh",
        "--prefix",
        tmp_path / "prefix",
        RELION_DISPATCH_APPTAINER="/nowhere/apptainer",
    )

    assert done.returncode == 1
    assert "there is neither Python 3.11 or newer" in done.stderr
    assert "nor Apptainer here: install one of them" in done.stderr


def test_without_user_namespaces_nothing_is_begun(tmp_path: Path) -> None:
    # One namespace more, which the caller's own is, and none for Apptainer.
    done = without_python(
        tmp_path / "home",
        ROOT / "deploy" / "build_appliance.sh",
        "--base",
        "docker",
        before="echo 1 > /proc/sys/user/max_user_namespaces;",
    )

    assert done.returncode == 1
    assert "cannot make user namespaces on this machine" in done.stderr
    assert "building" not in done.stderr and "fetching" not in done.stderr


def test_without_docker_hub_the_way_out_is_told(tmp_path: Path) -> None:
    before = set(Path("/var/tmp").iterdir())
    nowhere = "http://127.0.0.1:9"

    done = without_python(
        tmp_path / "home",
        ROOT / "deploy" / "install.sh",
        "--prefix",
        tmp_path / "prefix",
        https_proxy=nowhere,
        HTTPS_PROXY=nowhere,
    )

    assert done.returncode == 1
    assert "base: docker (choose with --base)" in done.stderr
    assert "name a Debian 12 image with --base, or build on another machine" in done.stderr
    assert not (tmp_path / "prefix" / "current").exists()
    left = set(Path("/var/tmp").iterdir()) - before
    assert not [path for path in left if path.name.startswith("relion-dispatch-appliance")]


def test_a_base_that_is_refused_leaves_nothing_behind(tmp_path: Path) -> None:
    """debootstrap needs root: as anyone else the build ends, and takes its folder away."""
    if shutil.which("debootstrap") is None:
        pytest.fail("tests/run.sh installs debootstrap")
    before = set(Path("/var/tmp").glob("debian-base.*"))

    done = without_python(tmp_path / "home", ROOT / "containers" / "debian_base.sh", "bookworm")

    assert done.returncode == 1
    assert "needs root" in done.stderr or "sudo:" in done.stderr
    assert set(Path("/var/tmp").glob("debian-base.*")) - before == set()
