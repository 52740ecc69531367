"""Upgrades: what stays, what can be taken back, and what an upgrade that fails leaves."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from ...waiting import wait_for
from ..project import ROOT
from .conftest import (
    assert_as_in_manifest,
    copy_checkout,
    environment,
    form_options,
    install,
    run,
    version_of,
)


class Older(NamedTuple):
    """An installation of version 0.1.7, and the checkout that it was installed from."""

    prefix: Path
    root: Path


@pytest.fixture(scope="module")
def installed_once(tmp_path_factory: pytest.TempPathFactory) -> Older:
    """Made once, with a copy beside it."""
    folder = tmp_path_factory.mktemp("older")
    older = Older(folder / "prefix", copy_checkout(folder, "0.1.7"))
    assert install(older.prefix, "--venv", root=older.root).returncode == 0
    subprocess.run(["cp", "-a", older.prefix, folder / "copy"], check=True)
    return older


@pytest.fixture
def older(installed_once: Older) -> Older:
    """As it was when it was just installed, whatever tests did to it since."""
    prefix = installed_once.prefix
    subprocess.run(["rm", "-rf", prefix], check=True)
    subprocess.run(["cp", "-a", prefix.with_name("copy"), prefix], check=True)
    return installed_once


def test_an_upgrade_keeps_the_site_and_can_be_taken_back(
    older: Older, checkout: Callable[[str], Path]
) -> None:
    prefix, new = older.prefix, checkout("0.2.0")
    site = prefix / "etc" / "relion-dispatch"
    (site / "site.json").write_text('{"scheduler": "slurm"}')
    (site / "images.json").unlink()
    (site / "job_template" / "own.sh.j2").write_text("")
    before = {path: path.read_bytes() for path in site.rglob("*") if path.is_file()}

    # The checkout may be one that can only be read, and the form need not be said again.
    subprocess.run(["chmod", "-R", "a-w", new], check=True)
    done = install(prefix, root=new)
    subprocess.run(["chmod", "-R", "u+w", new], check=True)

    assert done.returncode == 0, done.stderr
    assert version_of(prefix) == "0.2.0"
    assert {path: path.read_bytes() for path in site.rglob("*") if path.is_file()} == before
    assert_as_in_manifest(prefix)

    assert install(prefix, "--rollback").returncode == 0
    assert version_of(prefix) == "0.1.7"
    assert install(prefix, "--rollback").returncode == 0
    assert version_of(prefix) == "0.2.0"
    assert {path: path.read_bytes() for path in site.rglob("*") if path.is_file()} == before
    history = re.findall(r"^# history \S+ \S+ (\w+)", (prefix / "MANIFEST").read_text(), re.M)
    assert history == ["installed", "installed", "rolled", "rolled"]
    own = re.findall(r"^# (?:own|site) +(\S+)", (prefix / "MANIFEST").read_text(), re.M)
    assert sorted(own) == [
        ".relion-dispatch",
        "etc/relion-dispatch/images.json",
        "etc/relion-dispatch/projects/",
        "etc/relion-dispatch/site.json",
    ]
    assert_as_in_manifest(prefix)

    older = prefix / "versions" / "0.1.0-0123456789ab"
    older.mkdir()
    (older / "MANIFEST").touch()
    done = install(prefix, "--prune")
    assert done.returncode == 0
    assert "removed the version 0.1.0-0123456789ab" in done.stderr
    assert re.search(r"kept: 0\.2\.0-\w+, which is in use, and 0\.1\.7-\w+", done.stderr)
    assert not older.exists()
    assert install(prefix, "--rollback").returncode == 0
    assert version_of(prefix) == "0.1.7"


def test_a_failed_upgrade_leaves_the_present_version(
    older: Older, checkout: Callable[[str], Path]
) -> None:
    prefix = older.prefix
    broken = checkout("0.2.0")
    requirements = broken / "deploy" / "requirements.txt"
    requirements.write_text(re.sub(r"sha256:\w+", f"sha256:{'0' * 64}", requirements.read_text()))

    done = install(prefix, root=broken)

    assert done.returncode == 1
    assert "do not match the hashes" in done.stderr.replace("\n", " ").lower()
    assert "0.1.7" in done.stderr and "stays in use" in done.stderr
    assert version_of(prefix) == "0.1.7"
    assert len(list((prefix / "versions").iterdir())) == 1
    assert_as_in_manifest(prefix)


def test_an_interrupted_upgrade_leaves_the_present_version(
    older: Older, checkout: Callable[[str], Path]
) -> None:
    prefix, new = older.prefix, checkout("0.2.0")
    upgrade = subprocess.Popen(
        [new / "deploy" / "install.sh", "--prefix", prefix],
        env=environment(),
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    libraries = "versions/0.2.0-*/venv/lib/python3*/site-packages/jinja2"
    wait_for(lambda: list(prefix.glob(libraries)), 120, "the upgrade's first library")
    os.killpg(upgrade.pid, signal.SIGKILL)
    upgrade.wait()

    assert version_of(prefix) == "0.1.7"
    assert_links(prefix, "0.1.7")
    assert install(prefix, root=new).returncode == 0
    assert version_of(prefix) == "0.2.0"
    assert_as_in_manifest(prefix)


def assert_links(prefix: Path, version: str) -> None:
    links = {name: str((prefix / name).readlink()) for name in ("current", "bin", "share")}
    assert re.fullmatch(f"versions/{version}-\\w+", links["current"])
    assert (links["bin"], links["share"]) == ("current/bin", "current/share")


def test_of_two_installations_at_once_one_waits(tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    both = [
        subprocess.Popen(
            [ROOT / "deploy" / "install.sh", "--prefix", prefix, "--venv"],
            env=environment(),
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=600)[1] for process in both]

    assert [process.returncode for process in both] == [0, 0], "\n".join(said)
    assert sum("waiting for it" in text for text in said) == 1
    assert sum("is already installed" in text for text in said) == 1
    assert_as_in_manifest(prefix)


def test_a_damaged_version_is_installed_anew(older: Older) -> None:
    prefix = older.prefix
    (damaged,) = prefix.glob("versions/*/venv/lib/python3*/site-packages/dispatcher/hook.py")
    damaged.unlink()

    done = install(prefix, root=older.root)

    assert done.returncode == 0, done.stderr
    assert "was changed or damaged" in done.stderr
    assert (prefix / "current" / damaged.relative_to(damaged.parents[5])).exists()


def test_links_that_were_lost_are_made_again(older: Older) -> None:
    prefix, root = older
    for name, instead in (("bin", None), ("share", "versions"), ("current", None)):
        (prefix / name).unlink()
        if instead:
            (prefix / name).symlink_to(instead)

        assert install(prefix, root=root).returncode == 0

        assert_links(prefix, "0.1.7")
        assert version_of(prefix) == "0.1.7"


def counting(folder: Path) -> tuple[Path, Path]:
    """An Apptainer that notes its starts, by another name, and the file that it notes them in."""
    program, starts = folder / "apptainer-1.4", folder / "starts"
    real = os.environ["RELION_TEST_APPTAINER"]
    program.write_text(f'#!/bin/sh\necho "$@" >> {starts}\nexec {real} "$@"\n')
    program.chmod(0o755)
    starts.touch()
    return program, starts


def test_the_apptainer_that_was_named_once_is_kept(
    tmp_path: Path, checkout: Callable[[str], Path]
) -> None:
    """Users' shells have not heard of RELION_DISPATCH_APPTAINER, nor has whoever upgrades."""
    prefix = tmp_path / "prefix"
    program, starts = counting(tmp_path)
    number = re.search(r'"(.+)"', (ROOT / "dispatcher" / "__init__.py").read_text().split("=")[-1])
    assert number
    newer = checkout(number[1])
    with (newer / "deploy" / "environment" / "relion-dispatch.sh").open("a") as text:
        text.write("# newer\n")

    options = form_options("appliance")
    done = install(prefix, *options, RELION_DISPATCH_APPTAINER=str(program))
    assert done.returncode == 0, done.stderr
    for upgrade in (False, True):
        if upgrade:
            assert install(prefix, *options, root=newer).returncode == 0
        starts.write_text("")
        version_of(prefix)
        assert starts.read_text().count("dispatcher.sif") == 1

    assert len(list((prefix / "versions").iterdir())) == 2
    # A user's own goes before it.
    starts.write_text("")
    run(prefix, "--version", RELION_DISPATCH_APPTAINER=os.environ["RELION_TEST_APPTAINER"])
    assert starts.read_text() == ""
    # One that is gone is told, and the one on PATH taken.
    program.unlink()
    done = install(prefix, *options)
    assert done.returncode == 0, done.stderr
    assert f"{program}, which an earlier install used, no longer exists" in done.stderr
    version_of(prefix)
