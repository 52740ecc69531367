"""``relion-dispatch images add``, with real Apptainer and small real images."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from .image_site import (
    APPTAINER,
    Site,
    apptainer,
    pack,
    refused,
)


@pytest.fixture
def without_mpirun(small_root: Path, tmp_path: Path) -> Path:
    root = tmp_path / "root"
    shutil.copytree(small_root, root, symlinks=True)
    (root / "usr/bin/mpirun").unlink()
    return pack(root, tmp_path / "image.sif")


def test_add_records_what_the_image_says_of_itself(site: Site) -> None:
    done = site.add(site.base)

    assert done.returncode == 0, done.stderr
    entry = site.entry()
    status = site.base.stat()
    digest = subprocess.run(["sha256sum", site.base], capture_output=True, text=True, check=True)
    assert entry.pop("sha256") == digest.stdout.split()[0]
    assert entry.pop("mpi").startswith("Open MPI ")
    assert re.fullmatch("[0-9a-f]{32}", entry.pop("sif_id"))
    assert entry == {
        "variant": "cpu",
        "path": str(site.base),
        "size": status.st_size,
        "mtime": status.st_mtime_ns,
        "architecture": "amd64",
        "programs": ["mpirun", "relion_refine"],
    }
    assert f"relion {site.version} (cpu) (the default)" in done.stdout


def test_the_full_relion_3_image_is_added_under_its_own_version(
    site: Site, images: dict[str, Path], versions: dict[str, str]
) -> None:
    done = site.add(images["3"])

    assert f"relion {versions['3']} (cpu) (the default)" in done.stdout, done.stderr
    assert {"relion_refine_mpi", "mpirun", "relion_postprocess"} <= set(site.entry()["programs"])


def test_a_name_version_or_gpu_that_contradicts_the_image_is_refused(site: Site) -> None:
    assert "RELION in it is" in refused(site.add(site.base, "--version", "3.1.3"))
    assert 'cannot be called "cryosparc"' in refused(site.add(site.base, "--name", "cryosparc"))
    assert "RELION in it is" in refused(site.add(site.base, "--name", "relion-3.1"))
    assert "built for the CPU" in refused(site.add(site.base, "--gpu", "nvidia"))
    assert site.files() == set()


def test_an_image_whose_label_contradicts_its_relion_is_refused(
    site: Site, small_root: Path, tmp_path: Path
) -> None:
    image = pack(small_root, tmp_path / "image.sif", "relion.version 3.1.3")

    assert "contradicts itself" in refused(site.add(image))


def test_the_same_file_again_updates_its_entry_and_another_needs_replace(
    site: Site, small_root: Path, tmp_path: Path
) -> None:
    image = shutil.copy(site.base, site.folder / "image.sif")
    site.add(image, "--partition", "old", "--partition", "older")

    assert "updated" in site.add(image).stdout
    assert site.entry()["partitions"] == ["old", "older"]
    assert site.entry()["path"] == "image.sif"

    other = pack(small_root, tmp_path / "other.sif")
    before = (site.folder / "images.json").read_bytes()
    assert "--replace" in refused(site.add(other))
    assert (site.folder / "images.json").read_bytes() == before
    assert site.add(other, "--replace").returncode == 0
    assert site.entry()["path"] == str(other)


def test_files_that_are_no_whole_sif_are_refused(site: Site, tmp_path: Path) -> None:
    (tmp_path / "text.sif").write_text("not an image" * 100)
    assert "not a SIF file" in refused(site.add(tmp_path / "text.sif"))
    (tmp_path / "cut.sif").write_bytes(site.base.read_bytes()[:500_000])
    assert "cut short" in refused(site.add(tmp_path / "cut.sif"))
    assert "cannot be read" in refused(site.add(tmp_path / "missing.sif"))


def test_any_name_of_a_file_is_taken_and_no_odd_one_of_an_image(site: Site) -> None:
    for name in ("relion:5 of today.sif", "-5.sif"):
        shutil.copy(site.base, site.folder / name)
        done = site.images("add", "--variant", "v" + str(len(name)), "--", name)
        assert f"file          {name}" in done.stdout, done.stderr

    assert '"a b" is not a valid variant' in refused(site.add(site.base, "--variant", "a b"))
    odd = f"{site.version}/../x"
    assert f'"{odd}" is not a valid version' in refused(site.add(site.base, "--version", odd))


def test_an_image_for_another_architecture_is_refused(site: Site, tmp_path: Path) -> None:
    image = tmp_path / "image.sif"
    shutil.copy(site.base, image)
    with open(image, "r+b") as stream:
        stream.seek(45)
        stream.write(b"04")

    assert "is for arm64" in refused(site.add(image))


def test_an_image_without_mpirun_relion_or_shell_is_refused(
    site: Site, without_mpirun: Path, tmp_path: Path
) -> None:
    assert "no mpirun" in refused(site.add(without_mpirun))
    (tmp_path / "root/usr/bin/relion_refine").unlink()
    assert "no RELION" in refused(site.add(pack(tmp_path / "root", tmp_path / "no-relion.sif")))
    (tmp_path / "root/usr/bin/sh").unlink()
    assert "no shell" in refused(site.add(pack(tmp_path / "root", tmp_path / "no-shell.sif")))


def test_a_signed_image_is_recorded_with_its_key_and_a_changed_one_refused(
    site: Site, tmp_path: Path
) -> None:
    keys = str(tmp_path / "keys")
    who = ("--name=admin", "--email=admin@example.org", "--comment=test")
    new = ("key", "newpair", "--bit-length=2048", "--password=", "--push=false")
    apptainer(*new, *who, APPTAINER_KEYSDIR=keys)
    listed = apptainer("key", "list", APPTAINER_KEYSDIR=keys).stdout
    fingerprint = re.findall("[0-9A-F]{40}", listed)[0]
    image = Path(shutil.copy(site.base, tmp_path / "image.sif"))
    (site.folder / "site.json").write_text(
        json.dumps({"apptainer": {"signed_by": [fingerprint], "program": APPTAINER}})
    )
    assert "warning: jobs will be refused this image" in site.add(image).stdout

    apptainer("sign", image, APPTAINER_KEYSDIR=keys)
    site.environment = {"APPTAINER_KEYSDIR": keys}
    done = site.add(image, "--replace")
    assert site.entry()["signed_by"] == [fingerprint], done.stderr
    assert "warning" not in done.stdout
    # A key that is not in the keyring proves nothing.
    site.environment = {"APPTAINER_KEYSDIR": str(tmp_path / "no-keys")}
    assert "warning: jobs will be refused this image" in site.add(image).stdout
    assert "signed_by" not in site.entry()

    site.environment = {"APPTAINER_KEYSDIR": keys}
    with open(image, "r+b") as stream:
        stream.seek(-(1 << 20), os.SEEK_END)
        byte = stream.read(1)
        stream.seek(-1, os.SEEK_CUR)
        stream.write(bytes([byte[0] ^ 1]))
    assert "changed after it was signed" in refused(site.add(image, "--replace"))
