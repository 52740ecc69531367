"""The hook as its appliance's shell calls it, with a stand-in for Apptainer.

The stand-in runs on this machine what was to run in the image; tests/system/test_appliance.py has
the real one.
"""

from __future__ import annotations

from pathlib import Path

import pytest

__all__ = ["DEPLOY", "install_appliance_form"]

DEPLOY = Path(__file__).parents[2] / "deploy"

_APPTAINER = """#!/bin/sh
while [ "${1##*.}" != sif ]; do shift; done
shift 3  # the image, its Python, -I
export RELION_DISPATCH_HOST="$APPTAINERENV_RELION_DISPATCH_HOST"
export PYTHONPATH="$RELION_TEST_ROOT"
exec "$RELION_DISPATCH_PYTHON" "$@"
"""


def install_appliance_form(prefix: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the command in `prefix`, and what it finds by its variables; returns its path."""
    bin = prefix / "bin"
    bin.mkdir(parents=True)
    (bin / "relion_dispatch.py").symlink_to(DEPLOY / "appliance.sh")
    (bin / "relion-dispatch").symlink_to(DEPLOY / "appliance.sh")
    (bin / "apptainer").write_text(_APPTAINER)
    (bin / "apptainer").chmod(0o755)
    (bin / "dispatcher.sif").touch()
    monkeypatch.setenv("RELION_DISPATCH_APPTAINER", str(bin / "apptainer"))
    monkeypatch.setenv("RELION_DISPATCH_APPLIANCE", str(bin / "dispatcher.sif"))
    monkeypatch.setenv("RELION_TEST_ROOT", str(DEPLOY.parent))
    return bin / "relion_dispatch.py"
