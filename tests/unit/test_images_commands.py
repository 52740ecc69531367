"""``relion-dispatch images list|verify|remove|default``, and the file that they change."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from dispatcher.catalogue_file import edit, entry, put
from dispatcher.cli import main
from dispatcher.errors import ConfigError
from dispatcher.images import load_catalogue
from dispatcher.integrity import sha256_of
from dispatcher.known_projects import known_projects, remember
from dispatcher.site import load_site

from ..sif_file import write_sif

WriteSite = Callable[..., Path]


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Run a command: exit status, and all that it printed."""

    def run(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        status = main(["images", *arguments])
        out, err = capsys.readouterr()
        return status, out + err

    return run


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that is pinned to 5.1.0 and known to the site."""
    (tmp_path / "site" / "projects").mkdir()
    project = tmp_path / "project"
    project.mkdir()
    pin = {"images": {"relion": {"version": "5.1.0"}}}
    (project / ".relion_dispatch.json").write_text(json.dumps(pin))
    remember(project, load_site())
    return project


def content(images: Path) -> Any:
    return json.loads(images.read_text())


def test_a_listing_tells_the_state_of_each_file(images: Path, printed: Any) -> None:
    with edit() as catalogue:
        for version in ("5.1.0", "3.1.3"):
            found = entry(catalogue, "relion", version, "cpu")
            assert found is not None
            path = images.parent / f"relion-{version}-cpu.sif"
            found |= {"sha256": sha256_of(path), "size": path.stat().st_size, "mtime": 1}
            found["sif_id"] = write_sif(path)
    write_sif(images.parent / "relion-3.1.3-cpu.sif", b"another content")
    (images.parent / "relion-3.1.3-cuda.sif").unlink()

    status, table = printed("list")
    rows = json.loads(printed("list", "--json")[1])

    assert status == 0
    states = {(row["version"], row["variant"]): row["state"] for row in rows}
    assert states == {
        ("5.1.0", "cuda"): "not recorded",
        ("5.1.0", "cpu"): "touched",
        ("3.1.3", "cuda"): "missing or damaged",
        ("3.1.3", "cpu"): "changed",
    }
    assert "5.1.0 (default)" in table
    assert len(table.splitlines()) == 5


def test_verifying_records_what_was_not_known(images: Path, printed: Any) -> None:
    assert printed("verify", "relion", "5.1.0") == (
        0,
        "relion 5.1.0 (cuda): in order\nrelion 5.1.0 (cpu): in order\n",
    )

    build = content(images)["relion"]["versions"]["5.1.0"][0]
    assert build["sha256"] == sha256_of(images.parent / build["path"])
    assert json.loads(printed("list", "--json")[1])[0]["state"] == "present"


def test_verifying_finds_a_changed_byte(images: Path, printed: Any) -> None:
    printed("verify", "--all")
    path = images.parent / "relion-5.1.0-cpu.sif"
    before = path.stat()
    path.write_bytes(path.read_bytes()[:-1] + b"X")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    status, said = printed("verify", "--all")

    assert status == 1
    assert said.count("in order") == 3
    assert f"the sha256 of {path} is {sha256_of(path)}" in said


def test_verify_wants_to_know_what(images: Path, printed: Any) -> None:
    assert printed("verify")[0] == 2
    assert "it has relion" in printed("verify", "relyon")[1]
    assert "it has 5.1.0, 3.1.3" in printed("verify", "relion", "9")[1]


def test_a_version_that_a_known_project_pins_stays_unless_told_twice(
    images: Path, project: Path, printed: Any
) -> None:
    printed("default", "relion", "3.1.3")

    status, said = printed("remove", "relion", "5.1.0")
    assert status == 1
    assert str(project) in said
    assert "--even-if-pinned 5.1.0" in said
    assert "5.1.0" in content(images)["relion"]["versions"]
    assert printed("remove", "relion", "5.1.0", "--even-if-pinned", "5.1")[0] == 2

    status, said = printed("remove", "relion", "5.1.0", "--even-if-pinned", "5.1.0")
    assert status == 0
    assert list(content(images)["relion"]["versions"]) == ["3.1.3"]
    assert (images.parent / "relion-5.1.0-cpu.sif").exists()


def test_the_default_stays_while_there_are_others(images: Path, printed: Any) -> None:
    status, said = printed("remove", "relion", "5.1.0")

    assert status == 1
    assert "images default relion 3.1.3" in said


def test_one_variant_can_go_with_its_file_and_the_last_version_takes_the_image_along(
    images: Path, printed: Any
) -> None:
    printed("remove", "relion", "3.1.3", "--variant", "cuda", "--delete-file")
    assert [build["variant"] for build in content(images)["relion"]["versions"]["3.1.3"]] == ["cpu"]
    assert not (images.parent / "relion-3.1.3-cuda.sif").exists()

    printed("remove", "relion", "3.1.3")
    assert printed("remove", "relion", "5.1.0")[0] == 0
    assert content(images) == {}
    assert "relion 5.1.0 is not in the catalogue" in printed("remove", "relion", "5.1.0")[1]


def test_without_a_folder_of_projects_removing_says_so(images: Path, printed: Any) -> None:
    assert "which projects are pinned is not known" in printed("remove", "relion", "3.1.3")[1]


def test_a_new_default_tells_who_stays(images: Path, project: Path, printed: Any) -> None:
    assert printed("default", "relion", "3.1.3") == (
        0,
        "New projects get relion 3.1.3; it was 5.1.0.\n"
        "Known projects that stay pinned to 5.1.0: 1.\n",
    )
    assert content(images)["relion"]["default"] == "3.1.3"
    assert "relion 4 is not in the catalogue" in printed("default", "relion", "4")[1]


def test_projects_are_noted_once_and_forgotten_when_they_have_gone(
    project: Path, tmp_path: Path
) -> None:
    remember(project, load_site())
    assert list(known_projects(load_site())) == [project]

    project.rename(tmp_path / "moved")
    assert list(known_projects(load_site())) == []


def test_a_folder_of_projects_that_cannot_be_written_is_no_matter(tmp_path: Path) -> None:
    remember(tmp_path, load_site())  # there is none

    assert not (tmp_path / "site" / "projects").exists()


def test_comments_and_order_survive_a_change(site: WriteSite) -> None:
    path = site(
        "images.json",
        '{"__comment__": "one", "b": {"default": "1", "__comment__": "two", "__comment__": "three",'
        ' "versions": {"1": [{"variant": "cpu", "path": "b.sif", "__comment__": "four"}]}},'
        ' "__comment__": "five"}',
    )

    with edit() as catalogue:
        put(catalogue, "a", "2", {"variant": "cpu", "path": "a.sif"})
        put(catalogue, "b", "1", {"variant": "cpu", "path": "c.sif"})

    found = content(path)
    assert list(found) == ["__comment__", "b", "a"]
    assert found["__comment__"] == ["one", "five"]
    assert found["b"]["__comment__"] == ["two", "three"]
    assert found["b"]["versions"]["1"] == [
        {"__comment__": "four", "variant": "cpu", "path": "c.sif"}
    ]
    assert load_catalogue(path).images["a"].default == "2"


@pytest.mark.parametrize("text", ["{", "[]", '{"relion": {"default": "5"}}', '{"relion": 1}'])
def test_a_catalogue_that_does_not_load_is_not_touched(text: str, site: WriteSite) -> None:
    path = site("images.json", text)

    with pytest.raises(ConfigError, match=r"images\.json"), edit() as catalogue:
        catalogue["relion"] = {}

    assert path.read_text() == text


def test_a_change_that_would_not_load_is_not_written(images: Path) -> None:
    before = images.read_text()

    with pytest.raises(ConfigError, match=r'default version "9"'), edit() as catalogue:
        catalogue["relion"]["default"] = "9"

    assert images.read_text() == before
    assert {path.name for path in images.parent.glob("*images.json*")} <= {
        "images.json",
        "images.json.lock",
    }


def _add_version(number: int) -> None:
    with edit() as catalogue:
        put(catalogue, "relion", f"6.{number}", {"variant": "cpu", "path": "x.sif"})


def test_two_admins_at_once_lose_nothing(images: Path) -> None:
    with get_context("spawn").Pool(4) as pool:
        pool.map(_add_version, range(12))

    versions = content(images)["relion"]["versions"]
    assert set(versions) == {"5.1.0", "3.1.3", *(f"6.{number}" for number in range(12))}
