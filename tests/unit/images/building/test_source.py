"""RELION's archive from a folder: which file is taken, and what is said where none can be."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from dispatcher.cli import main
from dispatcher.errors import ImageError
from dispatcher.images.building.source import bound_archive
from dispatcher.images.container import read_mount

WHAT = "relion 5.0.1 (cuda)"
ADDRESS = "https://example.org/tags"
CONTENT = b"RELION's source"
VALUES = {
    "archive": ADDRESS,
    "version": "5.0.1",
    "sha256": hashlib.sha256(CONTENT).hexdigest(),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "RELION: 5, and 4"  # which --bind would take apart
    path.mkdir()
    return path


@pytest.fixture
def work(tmp_path: Path) -> Path:
    path = tmp_path / "work"
    path.mkdir()
    return path


@pytest.mark.parametrize("name", ["5.0.1.tar.gz", "relion-5.0.1.tar.gz"])
def test_the_archive_alone_is_seen_under_the_name_that_the_definition_fetches(
    folder: Path, work: Path, name: str
) -> None:
    (folder / name).write_bytes(CONTENT)
    (folder / "relion-5.0.0.tar.gz").write_bytes(b"another")
    (folder / "private.txt").write_text("not for the build")

    mount = read_mount(bound_archive(folder, work, VALUES, WHAT))

    assert mount and mount[1:] == ("/mnt", True)
    assert Path(mount.folder).is_relative_to(work)
    (seen,) = Path(mount.folder).iterdir()
    assert (seen.name, seen.read_bytes()) == ("5.0.1.tar.gz", CONTENT)


def test_a_link_to_the_archive_is_followed(folder: Path, work: Path, tmp_path: Path) -> None:
    (tmp_path / "store").write_bytes(CONTENT)
    (folder / "5.0.1.tar.gz").symlink_to(tmp_path / "store")

    mount = read_mount(bound_archive(folder, work, VALUES, WHAT))

    assert mount and Path(mount.folder, "5.0.1.tar.gz").read_bytes() == CONTENT


def test_another_file_than_the_recipe_knows_is_refused_before_the_build(
    folder: Path, work: Path
) -> None:
    (folder / "5.0.1.tar.gz").write_bytes(CONTENT[:-1])

    with pytest.raises(ImageError) as caught:
        bound_archive(folder, work, VALUES, WHAT)

    assert hashlib.sha256(CONTENT[:-1]).hexdigest() in str(caught.value)
    assert VALUES["sha256"] in str(caught.value)
    assert f"Fetch the file again from {ADDRESS}/5.0.1.tar.gz." in str(caught.value)


def test_a_definition_without_a_digest_takes_what_is_there(folder: Path, work: Path) -> None:
    (folder / "5.0.1.tar.gz").write_bytes(CONTENT)
    values = {key: value for key, value in VALUES.items() if key != "sha256"}

    assert read_mount(bound_archive(folder, work, values, WHAT))


def test_a_folder_without_the_version_is_told_what_to_fetch_and_how_to_name_it(
    folder: Path, work: Path
) -> None:
    (folder / "5.0.l.tar.gz").write_bytes(CONTENT)

    with pytest.raises(ImageError) as caught:
        bound_archive(folder, work, VALUES, WHAT)

    said = str(caught.value)
    assert said.startswith(f"The folder {folder} has no archive of RELION 5.0.1, neither ")
    assert 'did you mean "5.0.l.tar.gz"?' in said
    assert f"fetch {ADDRESS}/5.0.1.tar.gz on a machine with internet" in said


def test_a_pipe_or_a_folder_of_that_name_is_no_archive(folder: Path, work: Path) -> None:
    os.mkfifo(folder / "5.0.1.tar.gz")
    with pytest.raises(ImageError, match="cannot be read"):
        bound_archive(folder, work, VALUES, WHAT)

    (folder / "5.0.1.tar.gz").unlink()
    (folder / "5.0.1.tar.gz").mkdir()
    with pytest.raises(ImageError, match="cannot be read"):
        bound_archive(folder, work, VALUES, WHAT)


def test_an_image_that_is_not_built_from_source_takes_no_archive(folder: Path, work: Path) -> None:
    with pytest.raises(ImageError, match="leave out --archive"):
        bound_archive(folder, work, {"suite": "bookworm"}, "relion 3.1.3 (cpu)")


def test_what_is_no_folder_is_told_as_such(folder: Path, work: Path) -> None:
    file = folder / "5.0.1.tar.gz"
    file.write_bytes(CONTENT)

    with pytest.raises(ImageError, match="is a file: name the folder that it lies in"):
        bound_archive(file, work, VALUES, WHAT)
    with pytest.raises(ImageError, match=r"absent cannot be read \(No such file or directory\)"):
        bound_archive(folder / "absent", work, VALUES, WHAT)


def test_an_archive_is_named_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--archive", str(folder), "--build-arg", "archive=https://example.org"]

    assert main(["images", "build", "relion", "5.0.1", *words]) != 0

    assert "not both" in capsys.readouterr().err
