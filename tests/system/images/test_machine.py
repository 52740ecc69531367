"""What a machine may lack for images, and is told: space, /dev/fuse, namespaces, Apptainer."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ..project import COMMAND
from .image_site import (
    APPTAINER,
    Site,
    definition,
    in_namespace,
    refused,
)


def test_no_space_for_the_build_is_told_before_it_starts(site: Site) -> None:
    site.recipe(definition())
    small_disk = in_namespace(f"mount -t tmpfs -o size=8M none {site.work}")
    command = ("build", "relion", site.version, "--base", site.base)

    done = site.images(*command, before=small_disk)

    assert f"no space for the build in {site.work}" in refused(done)
    assert "Starting build" not in done.stderr
    small_disk = in_namespace(f"mount -t tmpfs -o size=8M none {site.folder / 'images'}")
    (site.folder / "images").mkdir()
    done = site.images(*command, before=small_disk)
    assert f"no space for the build in {site.folder / 'images'}" in refused(done)


def test_a_full_disk_at_the_end_is_told(site: Site) -> None:
    # --fakeroot does not work where an ordinary user may mount a small disk: only the last step.
    small_disk = in_namespace(f"mount -t tmpfs -o size=1M none {site.folder}")
    code = """
import os, sys
from pathlib import Path
from dispatcher.images.building.files import published
try:
    with published(Path(sys.argv[1]), Path(sys.argv[2], "image.sif")):
        print("published")
except Exception as error:
    print(type(error).__name__, error, os.listdir(sys.argv[2]))
"""
    done = subprocess.run(
        [*small_disk, sys.executable, "-c", code, str(site.base), str(site.folder)],
        env={**os.environ, "PYTHONPATH": str(COMMAND.parents[1])},
        capture_output=True,
        text=True,
    )

    assert "cannot be written (No space left on device)" in done.stdout, done.stderr
    assert done.stdout.startswith("WriteError") and done.stdout.endswith("[]\n")


def test_a_disk_that_fills_up_during_the_build_is_told(site: Site) -> None:
    # /dev/full answers as a full disk does.
    site.recipe(definition(post="dd if=/dev/zero of=/dev/full count=1"))

    assert f"ran out of space in {site.work}" in refused(site.build())
    assert site.files() == set()


HIDE_FUSE = """
mount -t tmpfs none /dev/shm
mkdir /dev/shm/new
for name in null zero full random urandom tty; do
    touch /dev/shm/new/$name
    mount --bind /dev/$name /dev/shm/new/$name
done
mount --rbind /dev/shm/new /dev
"""


def test_no_dev_fuse_is_told(site: Site) -> None:
    assert "there is no /dev/fuse" in refused(site.add(site.base, before=in_namespace(HIDE_FUSE)))


def test_no_dev_fuse_is_told_of_a_build_too(site: Site, tmp_path: Path) -> None:
    # --fakeroot does not work in such a namespace: only the image's own test runs in one.
    hidden = shlex.join(in_namespace(HIDE_FUSE))
    program = tmp_path / "apptainer"
    program.write_text(
        f'#!/bin/sh\n[ "$1" != test ] || exec {hidden} {APPTAINER} "$@"\nexec {APPTAINER} "$@"\n'
    )
    program.chmod(0o755)
    (site.folder / "site.json").write_text(json.dumps({"apptainer": {"program": str(program)}}))
    site.recipe(definition())
    before = site.files()

    told = refused(site.build())

    assert "was built, but cannot be tested: there is no /dev/fuse" in told
    assert site.files() == before


def test_a_check_starts_an_image_and_tells_what_is_lacking(site: Site) -> None:
    assert site.add(site.base).returncode == 0
    program = shutil.which(APPTAINER) or APPTAINER
    (site.folder / "site.json").write_text(json.dumps({"apptainer": {"program": program}}))

    def told(before: tuple[str, ...] = ()) -> str:
        return site.run("check", before=before).stdout

    assert "cannot start" not in told() and "Apptainer" not in told()
    assert "there is no /dev/fuse" in told(in_namespace(HIDE_FUSE))
    off = in_namespace("echo 1 > /proc/sys/user/max_user_namespaces")
    assert "user namespaces are off" in told(off)


def test_user_namespaces_off_is_told(site: Site) -> None:
    # One is needed to become an ordinary user again; Apptainer's own is then one too many.
    off = in_namespace("echo 1 > /proc/sys/user/max_user_namespaces")
    assert "user namespaces are off" in refused(site.add(site.base, before=off))
    site.recipe(definition())
    command = ("build", "relion", site.version, "--base", site.base)
    assert "user namespaces are off" in refused(site.images(*command, before=off))
    assert site.files() == set()


def test_no_connection_to_the_registry_is_told(site: Site) -> None:
    site.recipe(definition())
    nobody = "http://127.0.0.1:9"  # the port of nothing
    site.environment = {"HTTPS_PROXY": nobody, "https_proxy": nobody}

    done = site.images("build", "relion", site.version)

    assert "build on a local image with --base" in refused(done)


def test_apptainer_missing_is_told(site: Site, path_without_apptainer: Path) -> None:
    site.environment = {"PATH": str(path_without_apptainer)}

    assert "Apptainer (apptainer) cannot be started" in refused(site.add(site.base))
    site.recipe(definition())
    assert "Apptainer (apptainer) cannot be started" in refused(site.build())
    assert site.files() == set()


def test_singularity_ce_in_its_place_is_told(site: Site, path_without_apptainer: Path) -> None:
    # A stand-in that prints what SingularityCE 4.3 does: it has no package here.
    singularity = path_without_apptainer / "singularity"
    singularity.write_text("#!/bin/sh\necho singularity-ce version 4.3.1\n")
    singularity.chmod(0o755)
    site.environment = {"PATH": str(path_without_apptainer)}
    assert "only SingularityCE version 4.3.1" in refused(site.add(site.base))

    (path_without_apptainer / "apptainer").symlink_to(singularity)
    assert "apptainer is singularity-ce version 4.3.1" in refused(site.add(site.base))
    site.recipe(definition())
    assert "apptainer is singularity-ce version 4.3.1" in refused(site.build())
    assert site.files() == set()


def test_apptainer_under_its_other_name_is_not_taken_for_singularity_ce(
    site: Site, path_without_apptainer: Path
) -> None:
    (path_without_apptainer / "singularity").symlink_to(shutil.which(APPTAINER) or APPTAINER)
    site.environment = {"PATH": str(path_without_apptainer)}

    assert "Apptainer (apptainer) cannot be started" in refused(site.add(site.base))


@pytest.fixture
def path_without_apptainer(tmp_path: Path) -> Path:
    """A folder with links to all programs on the PATH but Apptainer."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for place in os.environ["PATH"].split(":"):
        if not os.access(place, os.R_OK | os.X_OK):
            continue
        for program in Path(place).glob("*"):
            link = folder / program.name
            if program.name not in ("apptainer", "singularity") and not link.is_symlink():
                link.symlink_to(program)
    return folder
