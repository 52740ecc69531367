"""``relion-dispatch pin --check``: the pins beside the images of today."""

from __future__ import annotations

import json
import os
from pathlib import Path

from dispatcher.images.pins import PIN_FILE

from ...digest import sha256
from ...sif_file import write_sif
from .pinned import PinCommand, Said, catalogue, write_pins


def test_what_belongs_together_has_status_0(pin: PinCommand, project: Path, images: Path) -> None:
    digest = sha256(images.parent / "relion-5.1.0-cpu.sif")
    write_pins(project, relion={"version": "5.1.0", "sha256": {"cpu": digest}})

    for arguments in (["--check"], ["--check", "--full"]):
        said = pin(*arguments)
        assert (said.status, said.err) == (0, "")
        assert "belong together" in said.out
    assert json.loads(pin("--check", "--json").out)["differences"] == []


def assert_differs(said: Said, project: Path, *says: str) -> None:
    """One sentence that names the pin file and the way out, and status 1."""
    assert said.status == 1
    (line,) = [line for line in said.out.splitlines() if str(project / PIN_FILE) in line]
    for text in says:
        assert text in line
    assert line.endswith((".", "`."))


def test_a_pinned_version_gone_from_the_catalogue(pin: PinCommand, project: Path) -> None:
    write_pins(project, relion="5.0.1")

    assert_differs(
        pin("--check"),
        project,
        "pins relion 5.0.1: ask your admin",
        "relion 5.0.1 is not in the catalogue",
        "`relion-dispatch pin relion VERSION`",
    )


def test_an_image_gone_from_the_catalogue(pin: PinCommand, project: Path) -> None:
    write_pins(project, topaz="0.2.5")

    assert_differs(
        pin("--check"), project, 'The image "topaz" is not in the catalogue', "take the entry out"
    )


def test_another_digest_in_the_catalogue(pin: PinCommand, project: Path, images: Path) -> None:
    content = catalogue(images)
    content["relion"]["versions"]["5.1.0"][1]["sha256"] = "2" * 64
    images.write_text(json.dumps(content))
    write_pins(project, relion={"version": "5.1.0", "sha256": {"cpu": "1" * 64}})

    assert_differs(
        pin("--check"), project, "1" * 64, "2" * 64, "`relion-dispatch pin relion 5.1.0`"
    )


def test_a_variant_gone_from_the_catalogue(pin: PinCommand, project: Path) -> None:
    write_pins(project, relion={"version": "5.1.0", "sha256": {"cuda11": "1" * 64}})

    assert_differs(
        pin("--check"), project, "relion 5.1.0 (cuda11) is not in", "1" * 64, "pin relion 5.1.0`"
    )


def test_a_missing_file(pin: PinCommand, project: Path, images: Path) -> None:
    write_pins(project, relion="5.1.0")
    (images.parent / "relion-5.1.0-cuda.sif").unlink()

    assert_differs(pin("--check"), project, "(cuda)", "relion-5.1.0-cuda.sif cannot be read")


def test_a_changed_file(pin: PinCommand, project: Path, images: Path) -> None:
    path = images.parent / "relion-5.1.0-cpu.sif"
    digest = sha256(path)
    write_pins(project, relion={"version": "5.1.0", "sha256": {"cpu": digest}})
    write_sif(path, b"other content, longer")

    said = pin("--check")

    assert_differs(said, project, digest, sha256(path), "relion-dispatch pin relion 5.1.0")


def test_a_change_that_leaves_no_trace_shows_when_all_is_hashed(
    pin: PinCommand, project: Path, images: Path
) -> None:
    path = images.parent / "relion-5.1.0-cpu.sif"
    found, digest = path.stat(), sha256(path)
    content = catalogue(images)
    content["relion"]["versions"]["5.1.0"][1] |= {
        "sha256": digest,
        "size": found.st_size,
        "mtime": found.st_mtime_ns,
        "sif_id": write_sif(path),
    }
    images.write_text(json.dumps(content))
    write_pins(project, relion={"version": "5.1.0", "sha256": {"cpu": digest}})
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))

    assert pin("--check").status == 0
    assert_differs(pin("--check", "--full"), project, sha256(path), digest)
