"""Checked configurations are kept between runs as data, and made again when they no longer hold."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.config.endings import load_endings
from dispatcher.config.site import load_site
from dispatcher.errors import ConfigError

from ...fixture_types import WriteSite


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of kept configurations in a cache that is empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "relion-dispatch" / "checked"


def test_a_kept_config_is_the_checked_one_and_needs_no_pydantic(
    kept: Path, site: WriteSite, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site("site.json", {"partitions": {"gpu": {"memory": "250G"}}, "mps": 0, "gpu_constants": {}})
    checked = load_configuration(), load_endings()
    assert checked[0].site.gpu_constants.texture_tile == (16, 32, 16)
    assert checked[0].catalogue.path == images

    monkeypatch.setitem(sys.modules, "pydantic", None)

    assert (load_configuration(), load_endings()) == checked
    assert len(list(kept.iterdir())) == 4


def test_what_is_kept_is_json(kept: Path, images: Path) -> None:
    load_configuration()

    assert [type(json.loads(file.read_text())) for file in kept.iterdir()] == [dict] * 3


def test_a_changed_config_is_checked_again(site: WriteSite) -> None:
    site("site.json", {"mps": False})
    assert load_site().mps is False
    assert load_site().mps is False
    site("site.json", {"mps": "perhaps"})

    with pytest.raises(ConfigError):
        load_site()


@pytest.mark.parametrize("pattern", [5, "("])
def test_a_config_with_a_mistake_is_not_kept(kept: Path, site: WriteSite, pattern: object) -> None:
    """A mistake that the types tell, and one that only a rule of ours tells."""
    site("endings.json", {"mine": {"pattern": pattern, "cause": "a", "advice": "b"}})
    for _ in range(2):
        with pytest.raises(ConfigError, match='ending "mine", key "pattern"'):
            load_endings()

    assert not kept.exists()


def test_other_code_makes_a_kept_config_again(kept: Path, site: WriteSite, tmp_path: Path) -> None:
    """The default of a module that site.py imports is changed in a copy of the code."""
    site("site.json", {"mps": False})
    root = Path(__file__).parents[3]
    for part in ("dispatcher", "config"):
        shutil.copytree(root / part, tmp_path / "copy" / part)
    ask = "from dispatcher.config.site import load_site; print(load_site().gpu_constants.context)"
    constants = tmp_path / "copy" / "dispatcher" / "config" / "gpu_constants.py"

    def answer() -> str:
        return subprocess.check_output(
            [sys.executable, "-B", "-c", ask], cwd=tmp_path / "copy", env=os.environ, text=True
        ).strip()

    assert answer() == answer() == "500000000"
    source = constants.read_text()
    assert "context: int = 500_000_000" in source
    constants.write_text(source.replace("context: int = 500_000_000", "context: int = 400_000_000"))
    assert answer() == "400000000"


@pytest.mark.parametrize(
    "damage", [b"damaged", b"", b"null", b"[1]", b'{"mps": ', b'{"other": 1}', b'{"mpi": 5}']
)
def test_a_damaged_file_is_made_again(kept: Path, site: WriteSite, damage: bytes) -> None:
    site("site.json", {"mps": False})
    checked = load_site()
    (file,) = kept.iterdir()
    file.write_bytes(damage)

    assert load_site() == checked
    assert json.loads(file.read_text())["mps"] is False


def test_a_cache_that_others_could_write_is_not_used(kept: Path) -> None:
    kept.mkdir(parents=True)
    kept.chmod(0o777)

    load_site()

    assert list(kept.iterdir()) == []
