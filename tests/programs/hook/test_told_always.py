"""RELION is told, or the job is in the queue: whatever breaks, and whenever signals come."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ...fixture_types import CorpusJob
from .. import hook_calls

pytestmark = pytest.mark.usefixtures("images")

SPOILED = Path(__file__).with_name("spoiled_hook.py")
EXCEPTIONS = [
    "KeyboardInterrupt",
    "SystemExit",
    "GeneratorExit",
    "MemoryError",
    "RecursionError",
    "CancelledError",
    "PanicException",
]


@pytest.fixture
def script(answering: Callable[[str], Path], corpus_job: CorpusJob) -> Path:
    """A refinement's submission script; the submit command takes each job as number 17."""
    answering("echo >> submitted; echo 17")
    return corpus_job("relion-5.0.1/Refine3D_job011")


def spoiled(problem: str, where: object, script: Path) -> int:
    """Run the hook with a problem; its exit status."""
    project = script.parents[2]
    words = [sys.executable, "-I", SPOILED, problem, str(where), script.relative_to(project)]
    done = subprocess.run(words, cwd=project, capture_output=True, text=True, timeout=60)
    return done.returncode


def assert_told(script: Path, status: int) -> None:
    """A status that is not zero, one exit file, one sentence."""
    ends = [file.name for file in script.parent.glob("RELION_JOB_EXIT_*")]
    lines = (script.parent / "run.err").read_text().lstrip("\n").splitlines()
    assert (status, ends) == (1, ["RELION_JOB_EXIT_FAILURE"])
    assert len(lines) == 1
    assert lines[0].startswith("relion-dispatch: The ")


def is_submitted(script: Path) -> bool:
    """Whether the job is in the queue, for the record and for RELION."""
    folder = script.parent
    if list(folder.glob("RELION_JOB_EXIT_*")) or (folder / "run.err").exists():
        return False
    return json.loads((folder / "dispatch.json").read_text())["job_id"] == "17"


@pytest.mark.parametrize(
    ("where", "problem"),
    [
        *[("jinja2", problem) for problem in EXCEPTIONS],
        *[("dispatcher.dispatch.hand_over:submit", problem) for problem in EXCEPTIONS],
        ("dispatcher.errors", "SystemExit"),
        ("dispatcher.dispatch.steps", "PanicException"),
        ("dispatcher.dispatch.steps:load_configuration", "MemoryError"),
        ("dispatcher.dispatch.steps:plan_script", "RecursionError"),
        ("dispatcher.dispatch.steps:record_text", "GeneratorExit"),
    ],
)
def test_whatever_a_library_raises_is_told(problem: str, where: str, script: Path) -> None:
    assert_told(script, spoiled(problem, where, script))


@pytest.mark.parametrize("problem", ["SystemExit", "PanicException", "MemoryError"])
@pytest.mark.parametrize("where", ["remember", "note"])
def test_a_job_in_the_queue_is_not_refused_whatever_a_library_raises(
    problem: str, where: str, script: Path
) -> None:
    status = spoiled(problem, f"dispatcher.dispatch.steps:{where}", script)

    assert status == 0
    assert not list(script.parent.glob("RELION_JOB_EXIT_*"))
    assert (script.parents[2] / "submitted").exists()


@pytest.mark.parametrize("problem", ["signal", "storm"])
@pytest.mark.parametrize("at", [1, 12, 30, 55, 90, 130, 200, 280, 330, 360, 390])
def test_signals_at_any_moment(problem: str, at: int, script: Path) -> None:
    status = spoiled(problem, at, script)

    if status == 0:
        assert is_submitted(script)
    else:
        assert_told(script, status)


@pytest.mark.usefixtures("form")
@pytest.mark.parametrize(
    "name",
    [b"caf\xe9", b"two\nlines", b"bell\a", b"x" * 200],
    ids=["no UTF-8", "a line break", "a control character", "long"],
)
def test_a_script_of_any_name_is_refused_in_one_line(
    name: bytes, corpus_job: CorpusJob, project: Path
) -> None:
    script = corpus_job("relion-5.0.1/Refine3D_job011")
    folder = os.fsencode(script.parent)
    with Path(os.fsdecode(folder + b"/" + name)).open("w") as file:
        file.write("no submission script\n")

    done = subprocess.run(
        [hook_calls.HOOK, b"Refine3D/job011/" + name],
        cwd=project,
        env={**os.environ, "RELION_DISPATCH_PYTHON": sys.executable},
        capture_output=True,
        timeout=60,
    )

    assert_told(script, done.returncode)
    text = (script.parent / "run.err").read_text()
    assert text.strip("\n").isprintable()


@pytest.mark.usefixtures("form")
@pytest.mark.parametrize("kind", ["folder", "nowhere"])
def test_what_is_no_script_is_refused(kind: str, corpus_job: CorpusJob, project: Path) -> None:
    script = corpus_job("relion-5.0.1/Refine3D_job011")
    script.unlink()
    if kind == "folder":
        script.mkdir()

    done = hook_calls.call_hook(script, project)

    assert_told(script, done.returncode)


@pytest.mark.usefixtures("form")
def test_a_script_whose_path_is_too_long_ends_the_hook_with_a_sentence(project: Path) -> None:
    done = hook_calls.call_hook("Refine3D/job011/" + "x" * 5000, project)

    assert done.returncode == 1
    assert "relion-dispatch: " in done.stderr


@pytest.mark.usefixtures("form")
@pytest.mark.parametrize(
    "name", [b"caf\xe9", b"two\nlines", b"-x 'y' $z"], ids=["no UTF-8", "a line break", "signs"]
)
def test_a_job_below_a_folder_of_any_name_is_refused(name: bytes, tmp_path: Path) -> None:
    project = tmp_path / os.fsdecode(name)
    script = project / "Refine3D" / "job011" / "run_submit.script"
    script.parent.mkdir(parents=True)
    script.touch()

    done = hook_calls.call_hook(script, project)

    assert_told(script, done.returncode)
