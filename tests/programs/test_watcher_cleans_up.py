"""What a job script that was killed at its last step has left goes with its watcher."""

from __future__ import annotations

from pathlib import Path

import pytest

from .test_watcher import TOKEN, folder, run, watcher  # noqa: F401  (a fixture)


@pytest.mark.usefixtures("images")
def test_a_run_file_that_was_never_finished_goes(folder: Path, tmp_path: Path) -> None:  # noqa: F811
    unfinished = folder / f".dispatch.run.{TOKEN}.new"
    unfinished.touch()
    (folder / "RELION_JOB_EXIT_SUCCESS").touch()

    run(watcher(folder, "slurm"), tmp_path, "exit 1")

    assert not unfinished.exists()
