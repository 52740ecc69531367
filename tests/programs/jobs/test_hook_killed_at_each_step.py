"""The hook killed before each of its steps: what stays is whole, and nothing is held.

Slurm's commands are stand-ins here; tests/system/faults asks a real Slurm.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ...fixture_types import CorpusJob
from ..appliance_form import DEPLOY
from ..stand_in_scheduler import StandIn
from .pipeline_jobs import HEADS, WORDS, status

pytestmark = pytest.mark.usefixtures("quickly", "images")

TEMPLATE = DEPLOY.parent / "job_template" / "relion_template.sh"  # `status` knows its jobs by it
KILLED_HOOK = Path(__file__).parents[2] / "system" / "faults" / "killed_hook.py"


def killed_at(step: int, script: Path) -> list[str]:
    """Run the hook until it is killed before a step; its steps until then."""
    project = script.parents[2]
    done = subprocess.run(
        [sys.executable, "-I", KILLED_HOOK, str(step), script.relative_to(project)],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    assert (done.returncode == 0) == (step == 0)
    return [line for line in done.stderr.splitlines() if line.startswith(("o", "subprocess."))]


def unfinished(folder: Path) -> Iterator[str]:
    yield from (path.name for path in folder.iterdir() if path.name.endswith(".new"))


def assert_nothing_is_held(folder: Path) -> None:
    """Nobody has the lock of the job, or of the project's pins."""
    for lock in (folder / ".dispatch.json.lock", folder.parents[1] / ".relion_dispatch.lock"):
        if lock.exists():
            with lock.open("a") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_records_and_locks_of_a_hook_that_was_killed(
    slurm: StandIn,
    corpus_job: CorpusJob,
    project: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(project)
    first = corpus_job("relion-5.0.1/Refine3D_job011")
    outfile, errfile, command = first.read_text().splitlines()[:3]
    text = TEMPLATE.read_text().replace("XXXcommandXXX", command)
    text = text.replace("XXXoutfileXXX", outfile).replace("XXXerrfileXXX", errfile)
    pins, queue = project / ".relion_dispatch.json", slurm.queue

    def job(number: int) -> Path:
        folder = first.parent.with_name(f"job{number}")
        folder.mkdir()
        script = folder / first.name
        script.write_text(text.replace("job011", folder.name))
        return script

    killed_at(0, job(500))  # fills the caches: the next one takes as many steps as all after it
    pins.unlink()
    queue.write_text("")
    steps = killed_at(0, job(501))
    assert any("dispatch.json" in step for step in steps)
    assert any("relion_dispatch" in step for step in steps)
    for step in range(1, len(steps) + 1):
        pins.unlink(missing_ok=True)
        queue.write_text("")
        script = job(600 + step)

        killed_at(step, script)

        folder = script.parent
        assert_nothing_is_held(folder)
        if pins.exists():
            assert json.loads(pins.read_text())["images"]["relion"]["version"] == "5.1.0"
        if (folder / "dispatch.json").exists():
            assert len(json.loads((folder / "dispatch.json").read_text())["token"]) == 12
        else:  # for so long another process may be submitting it
            os.utime(script, (time.time() - 700,) * 2)
        (project / "default_pipeline.star").write_text(
            f"{HEADS}{WORDS}Refine3D/{folder.name}/ None relion.refine3d Running\n"
        )

        (row,) = status(capsys)

        is_queued = bool(queue.read_text())
        assert row["relion"] == ("Running" if is_queued else "Failed"), steps[step - 1]
        assert (folder / "RELION_JOB_EXIT_FAILURE").exists() != is_queued
        if not is_queued:  # else the job's script removes them, which may still write
            assert not list(unfinished(folder)), steps[step - 1]
        assert_nothing_is_held(folder)
