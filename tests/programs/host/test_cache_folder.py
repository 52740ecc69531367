"""The cache that scripts run things from is the caller's own: others can exchange nothing there."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "deploy/cache_folder.sh"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")


def asked(base: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"XDG_CACHE_HOME": str(base)}
    return subprocess.run([SCRIPT], env=environment, capture_output=True, text=True)


def refused(base: Path) -> str:
    done = asked(base)
    assert (done.returncode, done.stdout) == (1, "")
    assert "set XDG_CACHE_HOME to a folder that only you can write" in done.stderr
    return done.stderr


def test_a_new_cache_is_closed_to_others(tmp_path: Path) -> None:
    base = tmp_path / "new" / "cache"
    done = asked(base)

    assert (done.stdout, done.stderr) == (f"{base}/relion-dispatch\n", "")
    assert (base / "relion-dispatch").stat().st_mode & 0o777 == 0o700
    assert asked(base).stdout == done.stdout, "again"


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o1777])
def test_a_base_in_which_others_can_rename_nothing_serves(mode: int, tmp_path: Path) -> None:
    tmp_path.chmod(mode)

    assert asked(tmp_path).returncode == 0


@pytest.mark.parametrize("mode", [0o777, 0o757, 0o2777])
@pytest.mark.parametrize("name", ["", "relion-dispatch"])
def test_a_folder_in_which_others_can_exchange_things_is_refused(
    name: str, mode: int, tmp_path: Path
) -> None:
    folder = tmp_path / name
    folder.mkdir(exist_ok=True)
    folder.chmod(mode)

    assert f"others may exchange what lies in {folder}" in refused(tmp_path)


@as_root
def test_a_group_of_others_may_exchange_things_too(tmp_path: Path) -> None:
    os.chown(tmp_path, 0, 1)
    tmp_path.chmod(0o2775)

    assert f"others may exchange what lies in {tmp_path}" in refused(tmp_path)


@as_root
def test_a_folder_that_another_user_has_made_first_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    (tmp_path / "relion-dispatch").mkdir()
    os.chown(tmp_path / "relion-dispatch", 61234, 61234)

    assert "is not yours" in refused(tmp_path)


def test_a_link_or_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "relion-dispatch").symlink_to(tmp_path / "elsewhere")
    assert "is not yours" in refused(tmp_path)

    (tmp_path / "relion-dispatch").unlink()
    (tmp_path / "relion-dispatch").touch()
    assert "cannot be made" in refused(tmp_path)
