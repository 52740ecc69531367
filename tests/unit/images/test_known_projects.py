"""Which projects use a site: noted in a folder that every user may write, and nobody trusts."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from dispatcher.config.site import Site, load_site
from dispatcher.errors import ConfigError
from dispatcher.images.known_projects import known_projects, remember

from ...fixture_types import WriteSite


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """The folder, as an admin makes it."""
    folder = tmp_path / "site" / "projects"
    folder.mkdir()
    folder.chmod(0o1777)
    return folder


def known() -> list[Path]:
    return list(known_projects(load_site()))


def test_a_project_is_noted_once_and_forgotten_when_it_has_gone(
    notes: Path, project: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        remember(project, load_site())
    assert known() == [project]
    assert len(list(notes.iterdir())) == 1

    project.rename(tmp_path / "moved")
    assert known() == []


@pytest.mark.usefixtures("notes")
@pytest.mark.parametrize("left", [[], ["group"]])
def test_a_project_that_may_lie_on_a_disk_that_is_not_mounted_has_not_gone(
    left: list[str], tmp_path: Path
) -> None:
    """Where a disk is mounted there is an empty folder without it, or none (an automounter)."""
    project = tmp_path / "group" / "project"
    project.mkdir(parents=True)
    remember(project, load_site())
    project.rename(tmp_path / "on the disk")
    if not left:
        project.parent.rmdir()

    assert known() == [project]


@pytest.mark.usefixtures("notes")
def test_any_bytes_that_make_a_path_are_kept(tmp_path: Path) -> None:
    project = tmp_path / "a b\n\udcff€"
    project.mkdir()

    remember(project, load_site())

    assert known() == [project]


def test_the_note_can_be_read_by_any_admin(notes: Path, project: Path) -> None:
    before = os.umask(0o077)
    try:
        remember(project, load_site())
    finally:
        os.umask(before)

    (note,) = notes.iterdir()
    assert note.stat().st_mode & 0o777 == 0o644


def test_the_sites_key_names_the_folder(site: WriteSite, tmp_path: Path, project: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    site("site.json", {"projects": str(tmp_path / "elsewhere")})

    remember(project, load_site())

    assert known() == [project]
    assert len(list((tmp_path / "elsewhere").iterdir())) == 1


@pytest.mark.parametrize("folder", ["missing", "site.json", "x" * 300, "\0"])
def test_noting_never_fails(folder: str, site: WriteSite, project: Path) -> None:
    site("site.json", "{}")

    remember(project, Site(projects=folder))

    assert not (project.parent / "site" / "missing").exists()


@pytest.mark.parametrize("folder", ["missing", "site.json"])
def test_without_the_folder_none_is_known(folder: str, site: WriteSite) -> None:
    site("site.json", "{}")

    assert list(known_projects(Site(projects=folder))) == []


def test_a_folder_that_cannot_be_read_is_told() -> None:
    with pytest.raises(ConfigError, match="chmod 1777"):
        list(known_projects(Site(projects="x" * 300)))


def test_what_others_put_there_is_passed_over(notes: Path, project: Path) -> None:
    remember(project, load_site())
    os.mkfifo(notes / "pipe")
    (notes / "link").symlink_to("/dev/zero")
    (notes / "folder").mkdir()
    (notes / "empty").touch()
    (notes / "relative").write_text("project")
    (notes / "bytes").write_bytes(b"/\0\xff")
    (notes / "long").write_bytes(b"/x" * 10_000)

    assert known() == [project]


def test_a_link_in_the_place_of_a_note_is_not_followed(notes: Path, project: Path) -> None:
    remember(project, load_site())
    (note,) = notes.iterdir()
    note.unlink()
    note.symlink_to(project / "written through the link")

    remember(project, load_site())

    assert not (project / "written through the link").exists()


@pytest.mark.usefixtures("notes")
def test_a_known_project_costs_next_to_nothing(project: Path) -> None:
    site = load_site()
    remember(project, site)
    took = []
    for _ in range(20):
        start = time.perf_counter()
        remember(project, site)
        took.append(time.perf_counter() - start)

    assert min(took) < 0.002, "seconds"


def test_a_note_in_the_place_of_ours_does_not_have_the_project_forgotten(
    notes: Path, project: Path, tmp_path: Path
) -> None:
    """Whoever may write the folder knows under which name a project is noted."""
    remember(project, load_site())
    (ours,) = notes.iterdir()
    ours.unlink()
    ours.write_bytes(b"/nowhere")

    for _ in range(3):
        remember(project, load_site())

    assert known() == [project]
    assert len(list(notes.iterdir())) == 2


def test_a_project_whose_path_is_no_utf_8_is_known(notes: Path, tmp_path: Path) -> None:
    project = tmp_path / os.fsdecode(b"caf\xe9")
    project.mkdir()

    remember(project, load_site())

    assert known() == [project]
