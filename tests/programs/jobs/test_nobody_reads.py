"""What a command prints may reach nobody, as behind `| head`: then it ends and says nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ...all_commands import all_commands
from ...fixture_types import CorpusJob
from ..appliance_form import DEPLOY
from ..stand_in_scheduler import StandIn
from .pipeline_jobs import TOKEN, AddJob

pytestmark = pytest.mark.usefixtures("images")

COMMANDS = [
    ["status"],
    ["status", "--json"],
    ["status", "--watch", "--interval", "1"],
    ["watch", "--interval", "1"],
    ["cancel", "Refine3D/job099"],
    ["pin"],
    ["plan", "PostProcess/job016"],
    ["plan", "--script", "PostProcess/job016"],
    ["check"],
    ["template"],
    ["images", "list"],
    ["images", "verify", "--all"],
    ["gpu", "table"],
    ["site", "compare", "nowhere"],
    ["no-such-command"],
    ["--version"],
]


@pytest.fixture
def busy(slurm: StandIn, add_job: AddJob, corpus_job: CorpusJob, project: Path) -> Path:
    """The folder of a project with a job in the queue."""
    add_job()
    slurm.has("17", "RUNNING", TOKEN)
    corpus_job("relion-5.0.1/PostProcess_job016")
    return project


def run(
    words: list[str], folder: Path, closed: tuple[str, ...], output: int
) -> subprocess.CompletedProcess[str]:
    streams = {name: output if name in closed else subprocess.PIPE for name in ("stdout", "stderr")}
    return subprocess.run(
        [DEPLOY / "relion-dispatch", *words],
        cwd=folder,
        env={**os.environ, "RELION_DISPATCH_PYTHON": sys.executable},
        text=True,
        timeout=60,
        **streams,  # type: ignore[call-overload]
    )


@pytest.fixture
def unread() -> int:
    """The end of a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_that_nobody_reads_ends_in_silence(
    words: list[str], busy: Path, slurm: StandIn, unread: int
) -> None:
    if words[0] == "watch":  # which only speaks if something has happened: the job is lost
        slurm.queue_answers("true")

    done = run(words, busy, ("stdout",), unread)

    said_otherwise = {"cancel", "site", "no-such-command"}  # on standard error, which is read
    assert done.returncode == 141 or words[0] in said_otherwise
    assert "Traceback" not in done.stderr and "roken" not in done.stderr
    if words[0] != "watch":
        assert run(words, busy, ("stdout", "stderr"), unread).returncode in (141, 1, 2)


@pytest.mark.parametrize("words", all_commands(), ids=" ".join)
def test_a_help_that_nobody_reads_ends_in_silence(
    words: list[str], tmp_path: Path, unread: int
) -> None:
    done = run([*words, "-h"], tmp_path, ("stdout",), unread)

    assert (done.returncode, done.stderr) == (141, "")


def test_the_command_that_relion_calls_has_a_help_too(tmp_path: Path, unread: int) -> None:
    done = subprocess.run(
        [sys.executable, DEPLOY / "relion_dispatch.py", "-h"],
        stdout=unread, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk_is_said(busy: Path) -> None:
    with open("/dev/full", "w") as full:
        done = run(["status"], busy, ("stdout",), full.fileno())

    assert done.returncode == 1
    assert done.stderr.startswith(
        "relion-dispatch: What this command prints cannot be written (No space left on device): "
    )
