"""``relion-dispatch gpu`` in an empty folder."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from dispatcher.cli import main

from .gpu_calls import Run


@pytest.fixture
def gpu(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ``relion-dispatch gpu`` with these words; what it prints."""

    def run(line: str, status: int = 0) -> str:
        assert main(["gpu", *shlex.split(line)]) == status
        printed = capsys.readouterr()
        return printed.err if status else printed.out

    return run


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests run in a folder without particles and references."""
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
