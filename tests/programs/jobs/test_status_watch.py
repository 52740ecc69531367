"""``relion-dispatch status`` on a terminal (a pty) of 80 columns and 24 lines."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from ..appliance_form import DEPLOY
from ..stand_in_scheduler import StandIn
from .pipeline_jobs import TOKEN, AddJob

CLEARED = "\x1b[H\x1b[2J"
COLOURS = "\x1b\\[[0-9;]*m"


def screens(project: Path, number: int) -> list[str]:
    """The first screens of the command, which Ctrl-C then ends."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    command = [DEPLOY / "relion-dispatch", "status", "--watch", "--interval", "1"]
    with subprocess.Popen(
        command, cwd=project, env=environment | {"RELION_DISPATCH_PYTHON": sys.executable},
        stdin=theirs, stdout=theirs, stderr=theirs,
        preexec_fn=lambda: os.login_tty(theirs),
    ) as running:  # fmt: skip
        os.close(theirs)
        printed = ""
        while printed.count(CLEARED) <= number:
            printed += os.read(ours, 1 << 16).decode()
        os.write(ours, b"\x03")
        try:
            while os.read(ours, 1 << 16):
                pass
        except OSError:  # the end of a terminal
            pass
        assert running.wait(20) == 130
    os.close(ours)
    return re.sub(COLOURS, "", printed.replace("\r\n", "\n")).split(CLEARED)[1 : number + 1]


def test_each_look_fits_the_terminal_and_has_its_time(
    slurm: StandIn, add_job: AddJob, project: Path
) -> None:
    for number in range(30):
        failed = add_job(f"Class3D/job{number:03}", status="Failed", token=f"{number:012}")
        sentence = "The job failed after 0:12:03, because its ranks had no GPU memory left: " * 2
        (failed / "run.err").write_text(f"relion-dispatch: {sentence}\n")
    add_job("ReconstructParticleTomo/job031")
    slurm.has("17", "RUNNING", TOKEN)

    first, second = screens(project, 2)

    for screen in (first, second):
        lines = screen.split("\n")
        assert len(lines) <= 24
        assert max(map(len, lines)) <= 80
        assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d, every 1 s \(Ctrl-C ends\)$", lines[0])
        assert "ReconstructParticleTomo/job031  Running" in screen
        assert "more jobs: " in screen
    assert first.split("\n")[0] != second.split("\n")[0]


def on_terminal(project: Path, **variables: str) -> str:
    """What the command writes to a terminal once."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    environment = {
        name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")
    }
    with subprocess.Popen(
        [DEPLOY / "relion-dispatch", "status"], cwd=project, stdin=theirs, stdout=theirs,
        stderr=theirs, env=environment | {"RELION_DISPATCH_PYTHON": sys.executable} | variables,
    ) as running:  # fmt: skip
        os.close(theirs)
        printed = ""
        try:
            while more := os.read(ours, 1 << 16):
                printed += more.decode()
        except OSError:  # the end of a terminal
            pass
        assert running.wait(20) == 0
    os.close(ours)
    return printed.replace("\r\n", "\n")


def test_a_terminal_gets_colours_and_lines_that_fit(
    slurm: StandIn, add_job: AddJob, project: Path
) -> None:
    add_job(status="Failed", record=False)
    (project / "Refine3D/job019/run.err").write_text("relion-dispatch: The disk is full.\n")

    printed = on_terminal(project, TERM="xterm")

    assert "Refine3D/job019  \x1b[1;31mFailed\x1b[0m" in printed
    assert "\n    The disk is full.\n" in printed
    assert "\x1b[2J" not in printed
    assert max(map(len, re.sub(COLOURS, "", printed).split("\n"))) <= 80


@pytest.mark.parametrize("variables", [{"TERM": "dumb"}, {"TERM": "xterm", "NO_COLOR": "1"}])
def test_a_terminal_without_colours_gets_none(
    variables: dict[str, str], slurm: StandIn, add_job: AddJob, project: Path
) -> None:
    add_job(status="Aborted", record=False)

    printed = on_terminal(project, **variables)

    assert "Aborted" in printed
    assert "\x1b[35m" not in printed
