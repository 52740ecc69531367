"""A project's path is bytes: the job is submitted once, recorded, found, and its image pinned.

Slurm's commands are stand-ins here; the paths are real ones of a Linux file system.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ...corpus import copy_job, fill_project
from ...fixture_types import WriteSite
from ..appliance_form import DEPLOY
from ..hook_calls import call_hook
from ..stand_in_scheduler import StandIn, record_of

pytestmark = pytest.mark.usefixtures("images")

NAMES = {
    "no UTF-8": b"caf\xe9",
    "a character cut in two": b"a\xc3",
    "of another alphabet": "粒子 größer".encode(),
    "quotes": b'it\'s "so"',
    "dollars": b"$(touch canary)`touch canary`$HOME",
    "signs of formats": b"100%j \\x %A\\",
    "blanks at its ends": b"  ends  ",
    "a dash": b"--help",
}
REFUSED = {
    "a line break": b"two\nlines",
    "an escape sequence": b"\x1b]0;owned\x07\x1b[2J",
}
PIPELINE = """
data_pipeline_processes

loop_
_rlnPipeLineProcessName #1
_rlnPipeLineProcessStatusLabel #2
PostProcess/job016/ Running
"""


@pytest.fixture
def slurm(tmp_path: Path, site: WriteSite) -> StandIn:
    """A scheduler that takes each job under a number of its own, and lets folders for notes."""
    stand_in = StandIn(tmp_path / "slurm", site)
    stand_in.submits("take $$ RUNNING; echo $$")
    (tmp_path / "site" / "projects").mkdir()
    return stand_in


@pytest.fixture(params=list(NAMES))
def script(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The submission script of a job in a project with such a name."""
    return script_in(tmp_path / os.fsdecode({**NAMES, **REFUSED}[request.param]))


def script_in(project: Path) -> Path:
    project.mkdir()
    fill_project(project)
    (project / "default_pipeline.star").write_text(PIPELINE)
    return copy_job("relion-5.0.1/PostProcess_job016", project)


def command(project: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [DEPLOY / "relion-dispatch", *words],
        cwd=project,
        env={**os.environ, "RELION_DISPATCH_PYTHON": sys.executable},
        capture_output=True,
    )


def test_three_calls_make_one_submission(slurm: StandIn, script: Path) -> None:
    calls = [call_hook(script) for _ in range(3)]

    assert [call.returncode for call in calls] == [0, 0, 0], calls[0].stderr
    assert len(slurm.calls("sbatch")) == 1
    assert [call.stderr.count("was submitted before") for call in calls] == [0, 1, 1]
    assert not list(script.parent.glob("RELION_JOB_EXIT_*"))
    assert [each.name for each in script.parent.glob("dispatch.json*")] == ["dispatch.json"]


@pytest.mark.parametrize("script", ["no UTF-8", "of another alphabet"], indirect=True)
@pytest.mark.parametrize("locale", [{"LC_ALL": "C"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0"}])
def test_a_locale_changes_no_path(locale: dict[str, str], slurm: StandIn, script: Path) -> None:
    assert call_hook(script, **locale).returncode == 0
    second = call_hook(script)

    assert "was submitted before" in second.stderr
    assert record_of(script.parent)["project"] == str(script.parents[2])


def test_every_command_finds_the_job(slurm: StandIn, script: Path) -> None:
    assert call_hook(script).returncode == 0
    project = script.parents[2]
    job_id = record_of(script.parent)["job_id"]

    raw = (script.parent / "dispatch.json").read_bytes()
    assert json.loads(raw.decode("ascii", "strict") if raw.isascii() else raw)["job_id"] == job_id
    (row,) = json.loads(command(project, "status", "--json").stdout)
    pins = json.loads(command(project, "pin", "--json").stdout)
    noted = [path.read_bytes() for path in slurm.folder.parent.glob("site/projects/*")]
    cancelled = command(project, "cancel", "PostProcess/job016/")

    assert (row["job_id"], row["state"], row["reason"]) == (job_id, "RUNNING", None)
    assert pins["project"] == str(project)
    assert pins["pins"][0]["jobs"] == ["PostProcess/job016"]
    assert noted in ([], [os.fsencode(project)]), "the image needs no note, or has one"
    assert slurm.calls("scancel") == [job_id], cancelled
    assert command(project, "watch", "--once").returncode == 0


def test_the_plan_is_json_and_no_control_character(slurm: StandIn, script: Path) -> None:
    planned = command(script.parents[2], "plan", "--json", "PostProcess/job016")

    assert json.loads(planned.stdout)["project"] == str(script.parents[2])
    assert b"\x1b" not in planned.stdout


@pytest.mark.parametrize("script", list(REFUSED), indirect=True)
def test_a_path_that_no_script_can_have_is_refused_in_a_sentence_without_control_characters(
    slurm: StandIn, script: Path
) -> None:
    project = script.parents[2]
    refused = call_hook(script)

    assert refused.returncode == 1
    assert ": rename the folder." in refused.stderr
    assert slurm.calls("sbatch") == []
    assert (script.parent / "RELION_JOB_EXIT_FAILURE").exists()
    printed = [refused.stdout.encode(), refused.stderr.encode()]
    for words in (["plan", "PostProcess/job016"], ["status"], ["pin"], ["watch", "--once"],
                  ["pin", "relion"], ["reproduce", "Nothing/job001"], ["check"],
                  ["cancel", "Nothing/job001"]):  # fmt: skip
        done = command(project, *words)
        assert b"Traceback" not in done.stderr, done.stderr
        printed += [done.stdout, done.stderr]

    assert b"\x1b" not in b"".join(printed)
    assert not list(project.rglob("canary"))
