"""The pins of a project on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher import cli

from .pinned import PIPELINES, PinCommand, Said


@pytest.fixture
def pin(
    project: Path,
    images: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> PinCommand:
    """``relion-dispatch pin …`` in a project of RELION 5."""
    assert images.is_file()
    (project / "default_pipeline.star").write_text(PIPELINES["5.1"])
    monkeypatch.chdir(project)

    def call(*arguments: str) -> Said:
        status = cli.main(["pin", *arguments])
        return Said(status, *capsys.readouterr())

    return call
