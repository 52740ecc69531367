"""Adding a file again: what the admin is told of the entry that is there.

What an image says of itself is made up here; tests/system/images/test_add.py reads real images.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.commands.images.added_text import added_text
from dispatcher.config.site import load_site
from dispatcher.images.add import NewImage, add
from dispatcher.images.inspect import ImageReport
from dispatcher.images.integrity import sha256_of
from dispatcher.images.sif import read_header

from ...sif_file import write_sif


def report(file: Path) -> ImageReport:
    return ImageReport(
        header=read_header(file),
        sha256=sha256_of(file),
        labels={"relion.version": "5.1.0"},
        relion="5.1.0",
        gpu=None,
        mpi="Open MPI 4.1.4",
        programs=("mpirun", "relion_refine"),
        weights=(),
        signed_by=(),
    )


def added(file: Path, **options: object) -> list[str]:
    """What `images add FILE` prints, a line each."""
    done = add(file, report(file), NewImage()._replace(**options))  # type: ignore[arg-type]
    return added_text(done, load_site()).splitlines()


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """An image that is in the catalogue."""
    file = tmp_path / "site" / "images" / "relion.sif"
    file.parent.mkdir()
    write_sif(file)
    assert added(file)[0] == "relion 5.1.0 (cpu) (the default): added"
    return file


def test_an_entry_whose_file_has_moved_says_from_where(first: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved.sif"
    first.rename(moved)

    said = added(moved)

    assert said[0] == "relion 5.1.0 (cpu) (the default): updated"
    assert said[1].startswith(f"file          {moved}, ")
    assert said[2] == f"file before   {first}, which is no longer there"


def test_a_file_that_takes_the_place_of_another_says_which(first: Path, tmp_path: Path) -> None:
    newer = tmp_path / "newer.sif"
    write_sif(newer, b"newer")

    assert f"file before   {first}, which stays there" in added(newer, variant="cpu", replace=True)


def test_the_same_file_again_has_not_moved(first: Path) -> None:
    (first.parent / "link.sif").symlink_to(first)

    for again in (first, first.parent / "link.sif", first.parent / "../images/relion.sif"):
        assert not [line for line in added(again) if line.startswith("file before")]
