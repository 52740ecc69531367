"""``relion-dispatch images verify`` and the rest of the catalogue, for an ordinary user.

With real signatures by real Apptainer; the image holds one file, as nothing in it is started.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from ...digest import sha256
from ..project import COMMAND

APPTAINER = os.environ.get("RELION_TEST_APPTAINER", "apptainer")
Completed = subprocess.CompletedProcess[str]


class Signed(NamedTuple):
    """A site whose only image is signed; `keys` is the keyring with the key."""

    folder: Path
    image: Path
    keys: Path
    fingerprint: str

    def images(self, *arguments: str, keys: Path | None = None) -> Completed:
        return subprocess.run(
            [COMMAND, "images", *arguments],
            env={
                **os.environ,
                "RELION_DISPATCH_SITE": str(self.folder),
                "RELION_DISPATCH_PYTHON": sys.executable,
                "APPTAINER_KEYSDIR": str(keys or self.keys),
            },
            capture_output=True,
            text=True,
            timeout=120,
        )

    def entry(self) -> dict[str, object]:
        content = json.loads((self.folder / "images.json").read_text())
        return dict(content["relion"]["versions"]["5.1.0"][0])


def apptainer(keys: Path, *arguments: str | Path) -> str:
    done = subprocess.run(
        [APPTAINER, *arguments],
        env={**os.environ, "APPTAINER_KEYSDIR": str(keys)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def signed(tmp_path: Path) -> Signed:
    folder, keys = tmp_path / "site", tmp_path / "keys"
    (folder / "root").mkdir(parents=True)
    (folder / "root" / "greeting").write_text("hello")
    image = folder / "image.sif"
    apptainer(keys, "build", image, folder / "root")
    who = ("--name=admin", "--email=admin@example.org", "--comment=test")
    apptainer(keys, "key", "newpair", "--bit-length=2048", "--password=", "--push=false", *who)
    fingerprint = re.findall("[0-9A-F]{40}", apptainer(keys, "key", "list"))[0]
    apptainer(keys, "sign", image)
    build = {"variant": "cpu", "path": "image.sif", "signed_by": [fingerprint]}
    content = {"relion": {"default": "5.1.0", "versions": {"5.1.0": [build]}}}
    (folder / "images.json").write_text(json.dumps(content))
    (folder / "site.json").write_text(json.dumps({"apptainer": {"program": APPTAINER}}))
    return Signed(folder, image, keys, fingerprint)


@pytest.fixture
def closed() -> Iterator[list[Path]]:
    """Folders put here are opened again, so that they can be removed."""
    folders: list[Path] = []
    yield folders
    for folder in folders:
        folder.chmod(0o755)


def test_a_signed_image_is_confirmed_and_its_digest_recorded(signed: Signed) -> None:
    done = signed.images("verify", "relion")

    digest = sha256(signed.image)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == f"relion 5.1.0 (cpu): in order (recorded its sha256, {digest})\n"
    assert done.stderr == "", "no progress where there is no terminal"
    assert signed.entry()["sha256"] == digest
    assert signed.entry()["signed_by"] == [signed.fingerprint]


def test_a_key_that_is_not_in_the_keyring_confirms_nothing(signed: Signed, tmp_path: Path) -> None:
    done = signed.images("verify", "--all", keys=tmp_path / "other")

    assert done.returncode == 1
    assert signed.fingerprint in done.stdout
    assert "apptainer key import" in done.stdout
    assert "sha256" not in signed.entry()


def test_a_key_other_than_the_recorded_one_is_told(signed: Signed) -> None:
    text = (signed.folder / "images.json").read_text()
    (signed.folder / "images.json").write_text(text.replace(signed.fingerprint, "A" * 40))

    done = signed.images("verify", "--all")

    assert done.returncode == 1
    assert f"recorded as signed by {'A' * 40}" in done.stdout


def test_a_change_after_the_signature_is_told_without_a_digest_too(signed: Signed) -> None:
    with open(signed.image, "r+b") as stream:
        stream.seek(signed.image.read_bytes().index(b"hsqs") + 8)  # the file system's time
        stream.write(b"\0\0\0\0")

    done = signed.images("verify", "--all")

    assert done.returncode == 1
    assert "was changed after it was signed" in done.stdout


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_user_who_may_not_write_the_site_can_verify_but_not_change(
    signed: Signed, closed: list[Path]
) -> None:
    closed.append(signed.folder)
    signed.folder.chmod(0o555)

    done = signed.images("verify", "--all")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "in order (its sha256, " in done.stdout
    assert "you may not write the folder" in done.stdout

    done = signed.images("remove", "relion", "5.1.0")
    assert done.returncode == 1
    assert "you may not write the folder" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look everywhere")
def test_a_project_that_the_admin_may_not_look_into_counts_as_a_user(
    signed: Signed, tmp_path: Path, closed: list[Path]
) -> None:
    project = tmp_path / "private" / "project"
    project.mkdir(parents=True)
    (signed.folder / "projects").mkdir()
    (signed.folder / "projects" / "note").write_bytes(os.fsencode(project))
    closed.append(project.parent)
    project.parent.chmod(0)

    done = signed.images("remove", "relion", "5.1.0")

    assert done.returncode == 1
    assert "These projects could not be checked" in done.stderr
    assert str(project) in done.stderr
    assert signed.images("remove", "relion", "5.1.0", "--even-if-pinned", "5.1.0").returncode == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_closed_folder_of_projects_is_no_matter_to_a_job(
    signed: Signed, tmp_path: Path, closed: list[Path]
) -> None:
    folder = signed.folder / "projects"
    folder.mkdir()
    closed.append(folder)
    folder.chmod(0)
    code = (
        "from pathlib import Path; from dispatcher.images.known_projects import remember;"
        "from dispatcher.config.site import load_site; remember(Path.cwd(), load_site())"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(COMMAND.parents[1]),
            "RELION_DISPATCH_SITE": str(signed.folder),
        },
        capture_output=True,
        text=True,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "cannot be read" in signed.images("remove", "relion", "5.1.0").stderr
