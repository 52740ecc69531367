"""The hook as its appliance's shell calls it, with a stand-in for Apptainer.

The stand-in runs on this machine what was to run in the image; tests/system/test_appliance.py has
the real one.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from ..stand_in_programs import link_stand_in

__all__ = ["DEPLOY", "install_appliance_form"]

DEPLOY = Path(__file__).parents[2] / "deploy"


def install_appliance_form(prefix: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the command in `prefix`, and what it finds by its variables; returns its path."""
    bin = prefix / "bin"
    bin.mkdir(parents=True)
    (bin / "relion_dispatch.py").symlink_to(DEPLOY / "appliance.sh")
    (bin / "relion-dispatch").symlink_to(DEPLOY / "appliance.sh")
    apptainer = link_stand_in("appliance/apptainer", bin)
    (bin / "dispatcher.sif").touch()
    monkeypatch.setenv("RELION_DISPATCH_APPTAINER", str(apptainer))
    monkeypatch.setenv("RELION_DISPATCH_APPLIANCE", str(bin / "dispatcher.sif"))
    monkeypatch.setenv("RELION_TEST_ROOT", str(DEPLOY.parent))
    return bin / "relion_dispatch.py"
