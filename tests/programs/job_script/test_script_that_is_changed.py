"""A job script that somebody changes while the job waits for its turn runs as it was planned."""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from pathlib import Path

import pytest

from ...waiting import wait_for
from .running_job import RunningJob, exit_files

pytestmark = pytest.mark.usefixtures("images")


def test_what_is_written_at_its_end_does_not_run(
    running_job: RunningJob,
    corpus_job: Callable[[str], Path],
    site: Callable[..., Path],
    project: Path,
    tmp_path: Path,
) -> None:
    site("site.json", {"scheduler": "local"})
    job = corpus_job("relion-5.0.1/PostProcess_job016")
    rendered = running_job.render(job)
    (lock,) = [
        word.partition("=")[2]
        for word in rendered.read_text().split()
        if word.startswith("dispatch_lock=/")
    ]
    Path(lock).parent.mkdir(parents=True, exist_ok=True)
    with open(lock, "a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        running = running_job.start(rendered)
        wait_for(lambda: list(job.parent.glob(".dispatch_control.*")))
        planned = rendered.read_text()
        begun = planned.index("begin_job") + len("begin_job")
        with rendered.open("r+") as stream:
            stream.seek(begun)
            stream.write("\ntouch canary\n" * 40)

    assert running.wait(30) == 0
    assert exit_files(job) == {"SUCCESS"}
    assert not list(project.rglob("canary"))
