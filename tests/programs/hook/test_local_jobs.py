"""Jobs that the hook starts on this machine, without a scheduler."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ...fixture_types import CorpusJob
from ...waiting import wait_for
from ..hook_calls import call_hook

pytestmark = pytest.mark.usefixtures("images", "form")


def external_job(project: Path, corpus_job: CorpusJob, number: int, body: str) -> Path:
    """An External job of RELION whose program is a shell script on the host."""
    script = corpus_job("relion-5.0.1/External_job023")
    if number != 23:
        script = script.parent.rename(script.parent.with_name(f"job{number:03}")) / script.name
    program = project / f"tool{number}"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    text = script.read_text().replace("job023", f"job{number:03}")
    script.write_text(text.replace("/opt/bin/mytool.py", str(program)))
    return script


def test_local_jobs_are_detached_and_take_turns(corpus_job: CorpusJob, project: Path) -> None:
    body = "echo start $(ps -o pgid= $$) >> log; sleep 0.4; echo end >> log"
    scripts = [external_job(project, corpus_job, number, body) for number in (21, 22)]

    groups = [call_hook(script, project).stdout.split()[-1] for script in scripts]
    for script in scripts:
        wait_for((script.parent / "RELION_JOB_EXIT_SUCCESS").exists)

    lines = (project / "log").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["start", "end", "start", "end"]
    assert {line.split()[1] for line in lines if line.startswith("start")} == set(groups)
    assert str(os.getpgrp()) not in groups


def test_a_local_job_stopped_by_its_id_while_it_waits_tells_relion(
    corpus_job: CorpusJob, project: Path
) -> None:
    waits = "touch first; until [ -e go ]; do sleep 0.05; done"
    first = external_job(project, corpus_job, 21, waits)
    second = external_job(project, corpus_job, 22, "touch started")
    call_hook(first, project)
    wait_for((project / "first").exists)
    job_id = int(call_hook(second, project).stdout.split()[-1])
    wait_for(lambda: list(second.parent.glob(".dispatch_control.*/reserve")))

    os.kill(job_id, 15)

    try:
        wait_for((second.parent / "RELION_JOB_EXIT_FAILURE").exists)
    finally:
        (project / "go").touch()
    wait_for((first.parent / "RELION_JOB_EXIT_SUCCESS").exists)
    assert not (project / "started").exists()
    errors = second.parent / "run.err"
    wait_for(lambda: "because it was cancelled in the scheduler" in errors.read_text())
