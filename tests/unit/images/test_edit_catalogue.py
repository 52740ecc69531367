"""Changing ``images.json``: one at a time, whole or not at all, comments kept."""

from __future__ import annotations

import json
import os
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.catalogue import load_catalogue
from dispatcher.errors import ConfigError, WriteError
from dispatcher.host.file_lock import locked
from dispatcher.images.edit_catalogue import check_editable, edit, entry, put

from ...fixture_types import WriteSite
from ...limits import sentence_within_limits

BUILD = {"variant": "cpu", "path": "x.sif"}


def content(images: Path) -> Any:
    return json.loads(images.read_text())


def state(images: Path) -> tuple[int, int, bytes]:
    """What tells that a file was written, even with the same content."""
    found = images.stat()
    return found.st_ino, found.st_mtime_ns, images.read_bytes()


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


def test_a_catalogue_of_gigabytes_is_not_read(images: Path) -> None:
    """A sparse one takes no room on the disk."""
    os.truncate(images, 3 << 30)

    def change() -> None:
        with edit() as catalogue:
            catalogue["relion"] = {}

    said = sentence_within_limits(change)

    assert said.startswith(f"{images} is longer than 4 MB, which no such file is: ")


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


def test_an_admin_who_waits_for_too_long_is_told_for_whom(images: Path) -> None:
    before = images.read_bytes()
    lock = images.with_name("images.json.lock")

    with (
        locked(lock, "it"),
        pytest.raises(WriteError, match=rf"process {os.getpid()} on .*{lock}"),
        edit(seconds=0.2),
    ):
        pass

    assert images.read_bytes() == before


def test_a_change_by_hand_meanwhile_is_not_overwritten(images: Path) -> None:
    with pytest.raises(ConfigError, match="changed by someone else meanwhile"), edit() as catalogue:
        put(catalogue, "relion", "6", dict(BUILD))
        images.write_text("{}")

    assert images.read_text() == "{}"


def test_an_error_in_the_block_leaves_the_file_as_it_was(images: Path) -> None:
    before = state(images)

    with pytest.raises(KeyError), edit() as catalogue:
        put(catalogue, "relion", "6", dict(BUILD))
        catalogue["nothing"]

    assert state(images) == before


def test_no_change_writes_nothing(images: Path) -> None:
    before = state(images)

    with edit() as catalogue:
        assert entry(catalogue, "relion", "5.1.0", "cpu") is not None

    assert state(images) == before


def test_the_first_image_makes_the_file_for_all_to_read(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with edit() as catalogue:
            assert catalogue == {}
            put(catalogue, "relion", "5.1.0", dict(BUILD))
    finally:
        os.umask(before)

    images = tmp_path / "site" / "images.json"
    assert images.stat().st_mode & 0o777 == 0o644
    assert load_catalogue(images).images["relion"].default == "5.1.0"


def test_mode_and_link_stay(images: Path, tmp_path: Path) -> None:
    target = tmp_path / "versioned" / "catalogue.json"
    target.parent.mkdir()
    images.rename(target)
    target.chmod(0o664)
    images.symlink_to("../versioned/catalogue.json")

    with edit() as catalogue:
        put(catalogue, "relion", "6", dict(BUILD), default=True)

    assert images.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o664
    assert content(target)["relion"]["default"] == "6"
    assert (target.parent / "images.json.lock").exists()


def test_what_a_crash_left_is_no_hindrance(images: Path) -> None:
    images.with_name(".images.json.new").write_text("half a fi")

    with edit() as catalogue:
        put(catalogue, "relion", "6", dict(BUILD))

    assert "6" in content(images)["relion"]["versions"]
    assert not images.with_name(".images.json.new").exists()


def test_without_the_sites_folder_the_way_out_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RELION_DISPATCH_SITE", str(tmp_path / "nowhere"))

    with pytest.raises(
        ConfigError, match=r"the folder .*/nowhere does not exist: make the folder, .*_SITE"
    ):
        check_editable()


def test_it_is_laid_out_for_people(site: WriteSite) -> None:
    path = site("images.json", "{}")
    programs = sorted(f"relion_program_{number:02}" for number in range(30))

    with edit() as catalogue:
        put(catalogue, "relion", "5.1.0", {**BUILD, "partitions": ["a", "b"]})
        put(catalogue, "relion", "5.1.0", {"variant": "cuda", "path": "y", "programs": programs})

    lines = path.read_text().splitlines()
    assert lines[:6] == [
        "{",
        '  "relion": {',
        '    "default": "5.1.0",',
        '    "versions": {',
        '      "5.1.0": [',
        '        {"variant": "cpu", "path": "x.sif", "partitions": ["a", "b"]},',
    ]
    assert max(map(len, lines)) <= 100
    assert len(lines) < 30
    assert load_catalogue(path).images["relion"].versions["5.1.0"][1].programs == tuple(programs)
