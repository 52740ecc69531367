"""Jobs that the hook starts on this machine, without a scheduler."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from dispatcher.cli import main
from dispatcher.host.runtime_folder import local_lock

from ...fixture_types import CorpusJob
from ...waiting import wait_for
from ..hook_calls import call_hook
from ..jobs.pipeline_jobs import HEADS, WORDS

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


def reasons(project: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str | None]:
    """What `status` says of each running job of a project."""
    capsys.readouterr()
    os.chdir(project)
    assert main(["status", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    return {row["job"]: row["reason"] for row in rows if row["relion"] == "Running"}


def in_pipeline(project: Path, *numbers: int) -> None:
    rows = [f"External/job{number:03}/ None relion.external Running\n" for number in numbers]
    (project / "default_pipeline.star").write_text(HEADS + WORDS + "".join(rows))


def test_status_says_for_which_job_a_local_one_waits(
    corpus_job: CorpusJob, project: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(project)
    waits = f"touch first; until [ -e {project}/go ]; do sleep 0.05; done"
    first = external_job(project, corpus_job, 21, waits)
    in_pipeline(project, 21, 22)
    call_hook(first, project)
    wait_for((project / "first").exists)
    second = external_job(project, corpus_job, 22, waits.replace("first", "second"))
    other = tmp_path / "other project"
    shutil.copytree(project, other, ignore=shutil.ignore_patterns("job021"))
    call_hook(second, project)
    call_hook(other / "External/job022/run_submit.script", other)
    wait_for(lambda: list(second.parent.glob(".dispatch_control.*/reserve")))
    in_pipeline(other, 22)

    try:
        one = "this machine runs one job of yours at a time"
        assert reasons(project, capsys) == {
            "External/job021": None,
            "External/job022": f"waits for External/job021: {one}",
        }
        assert reasons(other, capsys) == {
            "External/job022": f"waits for External/job021 of {project}: {one}",
        }
        for lines in ("", "x", f"{'0' * 12}\nExternal/job021\n/gone\n", "\n\n\n"):
            local_lock().write_text(lines)  # nobody's, or of a job that has ended
            assert reasons(other, capsys) == {"External/job022": None}
    finally:
        (project / "go").touch()
        for script in (first, second, other / "External/job022/x"):
            wait_for((script.parent / "RELION_JOB_EXIT_SUCCESS").exists)
    assert reasons(project, capsys) == {}
    assert local_lock().read_text().splitlines()[1] == "External/job022"


def test_a_job_that_was_cancelled_by_command_says_so(
    corpus_job: CorpusJob, project: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(project)
    script = external_job(project, corpus_job, 21, "touch first; sleep 60")
    in_pipeline(project, 21)
    call_hook(script, project)
    wait_for((project / "first").exists)

    assert main(["cancel", "External/job021"]) == 0

    assert (script.parent / "RELION_JOB_EXIT_ABORTED").exists()
    says = "relion-dispatch: The job was cancelled with `relion-dispatch cancel` after 0:0"
    wait_for(lambda: says in (script.parent / "run.err").read_text())
