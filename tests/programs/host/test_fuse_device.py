"""fuse_device.sh opens /dev/fuse where it is root's alone, and leaves a site's own setting.

With real devices, real owners and the kernel's answer; a test needs root to make them.
"""

from __future__ import annotations

import grp
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

SCRIPT = Path(__file__).parents[3] / "deploy/debian/fuse_device.sh"
FUSE = os.makedev(10, 229)

as_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root makes devices and gives them away"
)


@pytest.fixture
def device() -> Iterator[Path]:
    """A device of root's alone, as the kernel makes it, in a folder that all may enter."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        path = Path(folder) / "fuse"
        try:
            os.mknod(path, 0o600 | stat.S_IFCHR, FUSE)
        except PermissionError:
            pytest.skip("this machine lets not even root make devices")
        yield path


def told(device: Path) -> str:
    done = subprocess.run([SCRIPT, device], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    return done.stderr


def permissions(device: Path) -> int:
    return stat.S_IMODE(device.stat().st_mode)


@as_root
def test_a_device_of_roots_alone_is_opened_and_said_to_be(device: Path) -> None:
    assert f"opening {device}, which is root's alone, to all users" in told(device)
    assert permissions(device) == 0o666
    assert told(device) == "", "once"


@as_root
@pytest.mark.parametrize("mode", [0o660, 0o600, 0o640, 0o664, 0o670])
def test_a_device_of_a_group_stays_and_the_way_into_the_group_is_told(
    device: Path, mode: int
) -> None:
    group = grp.getgrgid(1).gr_name
    os.chown(device, 0, 1)
    device.chmod(mode)

    sentence = told(device)

    assert permissions(device) == mode
    assert f"{device} is for the group {group}" in sentence
    assert f"usermod --append --groups {group} USER" in sentence


@as_root
def test_a_group_without_a_name_counts_as_well(device: Path) -> None:
    os.chown(device, 0, 61234)
    device.chmod(0o660)

    assert "is for the group 61234" in told(device)
    assert permissions(device) == 0o660


@as_root
def test_a_device_that_all_can_open_is_left_alone_whatever_its_group(device: Path) -> None:
    os.chown(device, 0, 1)
    device.chmod(0o666)

    assert told(device) == ""
    assert permissions(device) == 0o666


def test_a_missing_device_is_a_warning(tmp_path: Path) -> None:
    assert "there is no" in told(tmp_path / "fuse")
    assert not (tmp_path / "fuse").exists()
