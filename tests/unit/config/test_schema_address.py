"""Which address of its schema a file gets, and which files get one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dispatcher.config.json_edit import edit
from dispatcher.config.schema_address import schema_address
from dispatcher.images.pins import PIN_FILE, move, pins
from dispatcher.site.init.write import add_missing, replace, site_json, write

ROOT = Path(__file__).parents[3]


@pytest.fixture
def prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation, whose site is in its own folder."""
    prefix = tmp_path / "software"
    (prefix / "etc" / "relion-dispatch").mkdir(parents=True)
    monkeypatch.setenv("RELION_DISPATCH_SCHEMAS", str(prefix / "share" / "schemas"))
    monkeypatch.setenv("RELION_DISPATCH_SITE", str(prefix / "etc" / "relion-dispatch"))
    return prefix


def named(path: Path) -> str:
    """The address that a file begins with."""
    content = json.loads(path.read_text())
    assert next(iter(content)) == "$schema"
    return str(content["$schema"])


def test_a_file_in_the_installation_gets_a_relative_address(prefix: Path) -> None:
    path = prefix / "etc" / "relion-dispatch" / "site.json"

    assert schema_address("site", path) == "../../share/schemas/site.schema.json"


def test_a_file_elsewhere_gets_the_path_that_stays(prefix: Path, tmp_path: Path) -> None:
    found = schema_address("site", tmp_path / "site.json")

    assert found == str(prefix / "share" / "schemas" / "site.schema.json")


def test_without_an_installation_the_schema_that_is_shipped_is_named(tmp_path: Path) -> None:
    found = Path(schema_address("pins", tmp_path / PIN_FILE))

    assert found == ROOT / "docs" / "schemas" / "pins.schema.json"
    assert found.is_file()


def test_a_site_that_is_written_names_its_schema_whatever_was_there(prefix: Path) -> None:
    write({"scheduler": "local"})
    assert named(site_json()) == "../../share/schemas/site.schema.json"

    site_json().write_text('{"$schema": "own.json", "mps": false}')
    assert add_missing({"scheduler": "local"}) == ["scheduler"]
    assert named(site_json()) == "own.json"

    replace({"scheduler": "slurm"})
    assert json.loads(site_json().read_text()) == {"$schema": "own.json", "scheduler": "slurm"}


def test_a_new_file_that_is_edited_names_its_schema_and_an_old_one_stays(prefix: Path) -> None:
    path = prefix / "etc" / "relion-dispatch" / "images.json"
    seen = []
    with edit(path, "catalogue", load=lambda _: None, check=seen.append) as content:
        content["relion"] = {}
    assert named(path) == "../../share/schemas/images.schema.json"
    assert seen == [{"relion": {}}]

    path.write_text('{"relion": {}}')
    with edit(path, "catalogue", load=lambda _: None, check=seen.append) as content:
        content["own"] = {}
    assert json.loads(path.read_text()) == {"relion": {}, "own": {}}


def test_pins_name_the_schema_of_the_installation_that_wrote_last(
    prefix: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    move(tmp_path, "relion", "5.1.0")
    assert named(tmp_path / PIN_FILE) == f"{prefix}/share/schemas/pins.schema.json"

    monkeypatch.setenv("RELION_DISPATCH_SCHEMAS", "/newer/share/schemas")
    move(tmp_path, "relion", "3.1.3")
    assert named(tmp_path / PIN_FILE) == "/newer/share/schemas/pins.schema.json"
    assert list(pins(tmp_path)) == ["relion"]
