"""Whether an image's file is the right one, with files that have a real SIF header."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.catalogue import ImageFile
from dispatcher.errors import ImageError
from dispatcher.images import integrity
from dispatcher.images.choice import ChosenImage
from dispatcher.images.integrity import sha256_of, usable, verified
from dispatcher.images.sif import read_header

from ...digest import sha256
from ...sif_file import write_sif

CATALOGUE, PIN_FILE = Path("images.json"), Path(".relion_dispatch.json")


@pytest.fixture
def sif(tmp_path: Path) -> Path:
    path = tmp_path / "relion.sif"
    write_sif(path)
    return path


def recorded(path: Path, **changes: Any) -> ChosenImage:
    header = read_header(path)
    facts: dict[str, Any] = {
        "sha256": sha256(path),
        "size": header.size,
        "mtime": header.mtime,
        "sif_id": header.sif_id,
    }
    build = ImageFile(variant="cpu", path=str(path), **{**facts, **changes})
    return ChosenImage("relion", "5.1.0", build, path, "")


def test_an_unchanged_file_is_not_read_again(sif: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choice = recorded(sif)
    monkeypatch.setattr(integrity, "sha256_of", lambda _: pytest.fail("hashed"))

    found = verified(choice, None, CATALOGUE, PIN_FILE)

    assert (found.sha256, found.size) == (choice.build.sha256, sif.stat().st_size)
    assert found.sif_id == read_header(sif).sif_id


def test_a_file_written_anew_with_the_same_content_is_hashed_once(
    sif: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice = recorded(sif)
    os.utime(sif, ns=(1, 1))
    hashed = []

    def counting(path: Path) -> str:
        hashed.append(path)
        return sha256_of(path)

    monkeypatch.setattr(integrity, "sha256_of", counting)
    for _ in range(2):
        assert verified(choice, None, CATALOGUE, PIN_FILE).sha256 == choice.build.sha256

    assert hashed == [sif]


def test_a_changed_file_is_refused_with_both_digests(sif: Path) -> None:
    choice = recorded(sif)
    write_sif(sif, b"another file system")

    with pytest.raises(ImageError) as caught:
        verified(choice, None, CATALOGUE, PIN_FILE)

    assert str(choice.build.sha256) in str(caught.value)
    assert sha256_of(sif) in str(caught.value)
    assert str(CATALOGUE) in str(caught.value)


def test_a_file_that_the_catalogue_accepts_but_not_the_pin_is_refused(sif: Path) -> None:
    choice = recorded(sif)

    with pytest.raises(ImageError) as caught:
        verified(choice, "f" * 64, CATALOGUE, PIN_FILE)

    assert "f" * 64 in str(caught.value)
    assert str(choice.build.sha256) in str(caught.value)
    assert "relion-dispatch pin relion 5.1.0" in str(caught.value)


def test_a_file_without_recorded_digest_gets_one(sif: Path) -> None:
    choice = ChosenImage("relion", "5.1.0", ImageFile(variant="cpu", path=str(sif)), sif, "")

    assert verified(choice, None, CATALOGUE, PIN_FILE).sha256 == sha256_of(sif)


def test_a_file_that_is_still_being_copied_leaves_no_digest(
    sif: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice = ChosenImage("relion", "5.1.0", ImageFile(variant="cpu", path=str(sif)), sif, "")

    def while_it_is_written(path: Path) -> str:
        digest = sha256_of(path)
        write_sif(path, b"another file system")
        return digest

    with monkeypatch.context() as patched:
        patched.setattr(integrity, "sha256_of", while_it_is_written)
        with pytest.raises(ImageError, match="was written to while it was read"):
            verified(choice, None, CATALOGUE, PIN_FILE)

    assert verified(choice, None, CATALOGUE, PIN_FILE).sha256 == sha256_of(sif)


def test_weights_that_are_not_there_are_named(sif: Path, tmp_path: Path) -> None:
    choice = recorded(sif)._replace(weights=tmp_path / "weights")

    with pytest.raises(ImageError, match=rf"{tmp_path}/weights, which images\.json names as the"):
        usable(choice, None, CATALOGUE, PIN_FILE)

    (tmp_path / "weights").mkdir()
    assert usable(choice, None, CATALOGUE, PIN_FILE).sha256 == choice.build.sha256


def test_a_file_cut_short_is_named(sif: Path) -> None:
    choice = recorded(sif)
    os.truncate(sif, sif.stat().st_size - 1)

    with pytest.raises(ImageError, match="cut short: it has 140 bytes of 141"):
        verified(choice, None, CATALOGUE, PIN_FILE)


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", bytes(4096)])
def test_a_file_that_is_no_sif_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "relion.sif"
    path.write_bytes(content)

    with pytest.raises(ImageError, match=rf"{re.escape(str(path))} is not a SIF file"):
        read_header(path)


@pytest.mark.parametrize(
    ("make", "says"), [(os.mkfifo, "is not a SIF file"), (os.mkdir, "cannot be read")]
)
def test_what_is_no_file_is_named_at_once(
    make: Callable[[Path], None], says: str, tmp_path: Path
) -> None:
    make(tmp_path / "relion.sif")

    with pytest.raises(ImageError, match=rf"relion\.sif {says}"):
        read_header(tmp_path / "relion.sif")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"gone\.sif cannot be read \(No such file"):
        read_header(tmp_path / "gone.sif")


def test_the_job_script_reads_the_same_id(sif: Path) -> None:
    shell = subprocess.run(
        ["bash", "-c", "od -An -tx1 -j48 -N16 \"$1\" | tr -d ' \\n'", "bash", sif],
        capture_output=True,
        text=True,
    )

    assert shell.stdout == read_header(sif).sif_id
