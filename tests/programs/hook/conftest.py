"""The hook in both of its forms, and a stand-in for a scheduler's submit command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ...fixture_types import WriteSite
from .. import hook_calls
from ..appliance_form import install_appliance_form


@pytest.fixture(params=["python", "appliance"])
def form(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each test calls the hook in both of its forms: RELION must not see a difference."""
    if request.param == "appliance":
        command = install_appliance_form(tmp_path / "prefix", monkeypatch)
        monkeypatch.setattr(hook_calls, "HOOK", command)
    return str(request.param)


@pytest.fixture
def answering(site: WriteSite, tmp_path: Path) -> Callable[..., Path]:
    """Make jobs go to a stand-in for a scheduler's submit command, a shell script."""

    def write(body: str, timeout: float = 30) -> Path:
        program = tmp_path / "submit"
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)
        scheduler = {
            "submit_command": [str(program)],
            "job_id": r"^(\d+)$",
            "timeout": timeout,
            "directives": "slurm",
        }
        site("site.json", {"scheduler": "test", "schedulers": {"test": scheduler}})
        return program

    return write
