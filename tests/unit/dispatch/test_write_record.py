"""The hook's own file, ``dispatch.json``."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dispatcher.dispatch.write_record import note, record_text
from dispatcher.jobs.notes import write_watcher

TOKEN = "0123456789ab"


def test_a_note_adds_nothing_of_what_others_wrote(tmp_path: Path) -> None:
    (tmp_path / "dispatch.json").write_text(record_text({"token": TOKEN, "job_id": None}))
    (tmp_path / f"dispatch.run.{TOKEN}").write_text(f"token {TOKEN}\nending SUCCESS\n")
    write_watcher(tmp_path, TOKEN, "18")

    note(tmp_path, TOKEN, job_id="17", attempts=[])

    written = json.loads((tmp_path / "dispatch.json").read_text())
    assert written == {"token": TOKEN, "job_id": "17", "attempts": []}


def test_the_record_of_a_newer_submission_is_left_alone(tmp_path: Path) -> None:
    newer = record_text({"token": "f" * 12, "job_id": None})
    (tmp_path / "dispatch.json").write_text(newer)

    note(tmp_path, TOKEN, job_id="17")

    assert (tmp_path / "dispatch.json").read_text() == newer


def test_a_folder_that_cannot_be_written_is_only_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dispatch.json").write_text(record_text({"token": TOKEN}))

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    note(tmp_path, TOKEN, job_id="17")

    assert "No space left on device" in capsys.readouterr().err
