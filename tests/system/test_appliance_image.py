"""What is in the dispatcher's own image, and what is not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIBRARY = "/usr/lib/relion-dispatch"


def inside(*command: str) -> str:
    """What a command says inside the image, which sees nothing of the host's environment."""
    apptainer = os.environ["RELION_TEST_APPTAINER"]
    # The host's /var/tmp is none of the image's.
    run = [apptainer, "--silent", "exec", "--cleanenv", "--no-mount=tmp"]
    image = os.environ["RELION_TEST_APPLIANCE"]
    return subprocess.run([*run, image, *command], capture_output=True, text=True).stdout


def hosts() -> set[str]:
    """The hosts that this machine takes Debian's and Python's packages from."""
    mirror = [ROOT / "deploy" / "debian" / "mirror.sh"]
    settings = [sys.executable, "-m", "pip", "config", "list"]
    said = "".join(
        subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for command in (mirror, settings)
    )
    return set(re.findall(r"https?://(?:[^/@'\s]*@)?([^/:'\s\\]+)", said))


def test_the_image_does_not_tell_where_its_packages_came_from() -> None:
    if not (names := hosts()):
        pytest.skip("this machine takes its packages from folders, not from hosts")
    patterns = [f"--regexp={name}" for name in sorted(names)]
    places = ("/etc/apt", "/etc/pip.conf", "/var", "/.singularity.d")

    # Proof that the search finds what is there.
    found = inside("grep", "-rlsF", "--regexp=relion-dispatch.version", "/.singularity.d")
    assert "labels.json" in found
    assert inside("grep", "-rlsF", *patterns, *places) == ""
    apptainer, image = os.environ["RELION_TEST_APPTAINER"], os.environ["RELION_TEST_APPLIANCE"]
    shown = subprocess.run(
        [apptainer, "inspect", "--all", image], capture_output=True, text=True, check=True
    ).stdout
    assert "relion-dispatch.version" in shown
    assert not [name for name in names if name in shown]


def test_it_holds_the_locked_libraries_and_nothing_else() -> None:
    show = "import importlib.metadata as m; [print(d.name, d.version) for d in m.distributions()]"
    installed = dict(
        line.lower().replace("_", "-").split()
        for line in inside(f"{LIBRARY}/bin/python", "-I", "-c", show).splitlines()
    )
    locked = set(
        re.findall(
            r"^([\w-]+)==(\S+)", (ROOT / "deploy" / "requirements.txt").read_text(), re.MULTILINE
        )
    )

    del installed["relion-dispatch"]
    assert set(installed.items()) <= locked
    # numpy is locked once for each range of Pythons; colorama is for Windows alone.
    assert set(installed) == {name for name, _ in locked} - {"colorama"}


def test_every_user_can_read_all_of_it_and_finds_the_command() -> None:
    version = re.search(r'__version__ = "(.+)"', (ROOT / "dispatcher" / "__init__.py").read_text())
    assert version

    assert inside("find", LIBRARY, "-name", "dispatcher") != ""
    assert inside("find", LIBRARY, "!", "-readable") == ""
    assert inside("relion-dispatch", "--version").strip() == version[1]


def test_its_bytecode_needs_no_look_at_the_source() -> None:
    show = (
        "import importlib.util as u, pathlib, dispatcher\n"
        "for p in pathlib.Path(dispatcher.__file__).parent.glob('*.py'):\n"
        "    print(p.name, pathlib.Path(u.cache_from_source(p)).read_bytes()[4])"
    )
    flags = dict(
        line.split() for line in inside(f"{LIBRARY}/bin/python", "-I", "-c", show).splitlines()
    )

    assert "hook.py" in flags
    assert set(flags.values()) == {"1"}  # by hash, unchecked
