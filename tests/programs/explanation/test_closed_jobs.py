"""``explain`` and ``status`` of a job that a colleague has closed to others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import dispatcher
from dispatcher.jobs.record import RECORD

from ..stand_in_scheduler import StandIn
from .explained import JOB
from .test_explain import submit

# Root may read everything; without these two rights, root is refused what any user is.
AS_USER = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
CALL = "import sys; from dispatcher.cli import main; sys.exit(main(sys.argv[1:]))"


def call(project: Path, *words: str) -> str:
    """What a command prints, with one blank between its words."""
    done = subprocess.run(
        [*AS_USER, sys.executable, "-c", CALL, *words],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(Path(dispatcher.__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return " ".join(done.stdout.split())


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("closed", [RECORD, ".", ".."])
def test_whom_to_ask_is_said(closed: str, slurm: StandIn, script: Path, project: Path) -> None:
    submit(script)
    path = Path(os.path.normpath(script.parent / closed))
    for each in (path, script.parent, script.parent / RECORD):
        os.chown(each, 54321, -1)
    path.chmod(0o600 if path.is_file() else 0o700)

    said = call(project, "explain", JOB)
    todo = "`chmod g+r` on that file." if path.is_file() else f"`chmod g+rx {path}`."
    assert f"ask user 54321, whose job it is, to run {todo}" in said
    assert "submit the job again" not in said
    assert ("9 ranks x 7 threads" in said) == path.is_file(), "the script can be read"

    todo = "`chmod g+r` on dispatch.json there." if path.is_file() else todo
    for words in (["status"], ["status", JOB]):
        said = call(project, *words)
        assert "The records of 1 job of user 54321 are closed to you" in said
        assert f"ask user 54321 to run {todo}" in said
        assert "remove that file" not in said


@pytest.mark.skipif(os.getuid() != 0, reason="only root is without rights and still the owner")
def test_nobody_is_asked_to_open_what_is_the_users_own(
    slurm: StandIn, script: Path, project: Path
) -> None:
    submit(script)
    script.parent.chmod(0)

    assert "closed to you" not in call(project, "status")
