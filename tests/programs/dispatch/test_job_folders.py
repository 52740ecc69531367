"""All that refuses a job takes the same folders for a job's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dispatcher.refusal import IN_SIGHT

from .refusing_programs import REFUSING

NAMES = ["job001", "job0123", "job12", "job", "job001x", "jobs001", "job00a1", "001", "myjob001"]


@pytest.mark.parametrize("program", REFUSING, ids=lambda program: program.__name__)
@pytest.mark.parametrize("called", ["from the project", "from the folder"])
def test_only_job_folders_are_written_to(
    program: Callable[[Path, str], None],
    called: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    written = set()
    for name in NAMES:
        folder = tmp_path / "project" / "Refine3D" / name
        folder.mkdir(parents=True)
        monkeypatch.chdir(tmp_path / "project" if called == "from the project" else folder)
        of_program = tmp_path / f"for-{name}"
        of_program.mkdir()
        script = "run_submit.script"
        program(of_program, f"Refine3D/{name}/{script}" if "project" in called else script)
        found = {path.name for path in folder.iterdir()}
        assert found in (set(), {"run.err", "RELION_JOB_EXIT_FAILURE"})
        if found:
            written.add(name)
            said = (folder / "run.err").read_text()
            assert said.startswith(f"{IN_SIGHT}relion-dispatch: ")

    assert written == {"job001", "job0123"}
    capfd.readouterr()
