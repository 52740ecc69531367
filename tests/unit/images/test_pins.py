"""The pin file of a project."""

from __future__ import annotations

import json
import os
from multiprocessing import get_context
from pathlib import Path

import pytest

from dispatcher.config.catalogue import ImageFile
from dispatcher.errors import ConfigError
from dispatcher.images.choice import ChosenImage
from dispatcher.images.pins import PIN_FILE, Pin, move, pins, settle


def choice(
    version: str = "5.1.0", name: str = "relion", variant: str = "cpu", sha256: str = "1" * 64
) -> ChosenImage:
    build = ImageFile(variant=variant, path="x.sif")
    return ChosenImage(name, version, build, Path("x.sif"), "", sha256=sha256)


def test_the_first_use_pins_and_a_later_default_changes_nothing(tmp_path: Path) -> None:
    settle(tmp_path, choice("5.1.0"))
    standing = settle(tmp_path, choice("6.0", sha256="2" * 64))

    assert standing == pins(tmp_path)["relion"] == Pin("5.1.0", {"cpu": "1" * 64})


def test_pins_of_other_images_and_variants_stay(tmp_path: Path) -> None:
    settle(tmp_path, choice())
    settle(tmp_path, choice("0.3", name="topaz"))
    settle(tmp_path, choice(variant="cuda", sha256="2" * 64))

    assert pins(tmp_path) == {
        "relion": Pin("5.1.0", {"cpu": "1" * 64, "cuda": "2" * 64}),
        "topaz": Pin("0.3", {"cpu": "1" * 64}),
    }


def test_a_pin_without_digest_gets_that_of_its_first_use(tmp_path: Path) -> None:
    (tmp_path / PIN_FILE).write_text(json.dumps({"images": {"relion": {"version": "5.1.0"}}}))

    settle(tmp_path, choice())

    assert pins(tmp_path)["relion"].sha256 == {"cpu": "1" * 64}


def test_moving_a_pin_forgets_the_digests_of_the_old_version(tmp_path: Path) -> None:
    settle(tmp_path, choice())

    before = move(tmp_path, "relion", "6.0")

    assert before == Pin("5.1.0", {"cpu": "1" * 64})
    assert pins(tmp_path) == {"relion": Pin("6.0")}


def test_what_else_stands_in_the_file_is_kept(tmp_path: Path) -> None:
    (tmp_path / PIN_FILE).write_text(json.dumps({"note": "of the lab", "images": {}}))

    settle(tmp_path, choice())

    assert json.loads((tmp_path / PIN_FILE).read_text())["note"] == "of the lab"


def _settle_version(arguments: tuple[Path, int]) -> str:
    folder, number = arguments
    return settle(folder, choice(f"5.{number}.0", sha256=f"{number}" * 64)).version


def test_first_jobs_at_once_agree_on_one_version(tmp_path: Path) -> None:
    with get_context("spawn").Pool(4) as pool:
        versions = pool.map(_settle_version, [(tmp_path, number) for number in range(8)])

    assert len(set(versions)) == 1
    assert pins(tmp_path)["relion"].version == versions[0]


@pytest.mark.parametrize("kind", ["a pipe", "a link", "a folder", "3 GB without content"])
def test_what_is_no_pin_file_is_named(kind: str, tmp_path: Path) -> None:
    file = tmp_path / PIN_FILE
    if kind == "a pipe":
        os.mkfifo(file)
    elif kind == "a link":
        (tmp_path / "elsewhere").write_text('{"images": {}}')
        file.symlink_to("elsewhere")
    elif kind == "a folder":
        file.mkdir()
    else:
        file.touch()
        os.truncate(file, 3 << 30)

    for call in (lambda: pins(tmp_path), lambda: settle(tmp_path, choice())):
        with pytest.raises(ConfigError, match=PIN_FILE):
            call()


def test_text_of_others_in_a_pin_file_is_kept_as_plain_utf_8(tmp_path: Path) -> None:
    (tmp_path / PIN_FILE).write_bytes(b'{"note": "caf\xe9 \xc2\x9b", "images": {}}')

    settle(tmp_path, choice())

    written = json.loads((tmp_path / PIN_FILE).read_text(encoding="utf-8"))
    assert written["note"] == "caf\udce9 \x9b"


@pytest.mark.parametrize(
    "content",
    [
        '{"images": ' * 100_000,
        '{"images": {}, "images": {}}',
        '{"images": {"relion": {"version": "' + "\\u0000" + '", "sha256": [1]}}}',
        '{"images": {"relion": {"version": ' + "1" * 5000 + "}}}",
        "\ufeff{}",
        "null",
        '{"images": []}',
        '{"images": {"relion": "5.1.0"}}',
        '{"images": {"relion": {"version": 5}}}',
        '{"images": {"relion": {"version": "5.1.0", "sha256": {"cpu": 1}}}}',
        "{}",
    ],
)
def test_a_damaged_pin_file_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / PIN_FILE).write_text(content)

    with pytest.raises(ConfigError, match=PIN_FILE):
        pins(tmp_path)
    with pytest.raises(ConfigError, match=PIN_FILE):
        settle(tmp_path, choice())
    assert (tmp_path / PIN_FILE).read_text() == content
