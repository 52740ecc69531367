"""No text of others acts on a terminal: names, records, notes, pins, queues, and files of the site.

Each command runs as a program of its own, into a pipe and on a terminal (a pty).
"""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ...fixture_types import CorpusJob
from ..appliance_form import DEPLOY
from ..hook_calls import call_hook
from ..stand_in_scheduler import StandIn, record_of
from .pipeline_jobs import TOKEN, AddJob

pytestmark = pytest.mark.usefixtures("images")

EVIL = "\x1b]0;owned\x07\x1b[2J\x1b[5m\x9b31m\x7f\u202eevil\u2066\udc9b\u2028"
ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]")
COLOURS = re.compile(r"\x1b\[(0|1|2|33|35|36|1;31|1;32)m")  # of ours, which a terminal gets

COMMANDS = {
    "status": ["status"],
    "status as JSON": ["status", "--json"],
    "status of one job": ["status", "Refine3D/job019"],
    "status of one job as JSON": ["status", "Refine3D/job019", "--json"],
    "status of no job": ["status", f"Refine3D/{EVIL}"],
    "watch": ["watch", "--once"],
    "a job that has no folder": ["cancel", f"Refine3D/{EVIL}"],
    "a job of another user's": ["cancel", "Refine3D/job019"],
    "pins": ["pin"],
    "pins as JSON": ["pin", "--json"],
    "pins and files": ["pin", "--check"],
    "a pin": ["pin", "relion"],
    "a pin of no name": ["pin", f"relion{EVIL}"],
    "a moved pin": ["pin", "relion", "3.1.3"],
    "a version that is not there": ["pin", "relion", f"5{EVIL}"],
    "reproduce": ["reproduce", "Refine3D/job019"],
    "reproduce of nothing": ["reproduce", f"Refine3D/{EVIL}"],
    "plan": ["plan", "PostProcess/job016"],
    "plan as JSON": ["plan", "--json", "PostProcess/job016"],
    "plan of nothing": ["plan", f"Refine3D/{EVIL}/run_submit.script"],
    "images": ["images", "list"],
    "images as JSON": ["images", "list", "--json"],
    "an image of no name": ["images", "remove", f"x{EVIL}", "1"],
    "an image that projects use": ["images", "remove", "relion", "5.1.0"],
    "a file that is no site": ["site", "compare", f"nowhere{EVIL}"],
    "check": ["check"],
    "a command of no name": [EVIL],
    "an option of no name": ["status", f"--{EVIL}"],
}


@pytest.fixture
def hostile(slurm: StandIn, add_job: AddJob, corpus_job: CorpusJob, project: Path) -> Path:
    """A project in which everything that others can write has such a text; its folder."""
    texts: dict[str, Any] = dict.fromkeys(("user", "scheduler", "dispatched", "job_type"), EVIL)
    image = {"name": EVIL, "version": f"5{EVIL}", "variant": EVIL, "sha256": EVIL}
    waiting = add_job(image=image, **texts | {"scheduler": "slurm"})
    for name in ("run.out", "run.err"):
        (waiting / name).write_text(f"{EVIL}\n", errors="surrogateescape")
    slurm.queue.write_text(
        f"17|PENDING|n{EVIL}|{EVIL}|0:07|relion-dispatch:{TOKEN}\n", errors="surrogateescape"
    )
    failed = add_job("Class2D/job020", status="Failed", token="1" * 12, host=EVIL, **texts)
    (failed / f"dispatch.run.{'1' * 12}").write_text(
        f"token {'1' * 12}\nending FAILURE\nreason {EVIL}\nhost {EVIL}\n", errors="surrogateescape"
    )
    aborted = add_job("Class2D/job021", status="Aborted", record=False)
    (aborted / "run.err").write_bytes(f"relion-dispatch: {EVIL}\n".encode(errors="surrogateescape"))
    with (project / "default_pipeline.star").open("ab") as pipeline:
        for name in (f"{EVIL}/job022", "Class2D/job023"):
            line = f"'{name}/' '{EVIL}' '{EVIL}' 'Running{EVIL}'\n"
            pipeline.write(line.encode(errors="surrogateescape"))
    (waiting / "dispatch.json.1").write_text(json.dumps({"token": EVIL}))
    pins = {"relion": {"version": "5.1.0"}, f"x{EVIL}": {"version": EVIL, "sha256": {EVIL: EVIL}}}
    (project / ".relion_dispatch.json").write_text(json.dumps({"images": pins}))
    corpus_job("relion-5.0.1/PostProcess_job016")
    return project


def run(project: Path, words: list[str], on_terminal: bool) -> bytes:
    command = [str(DEPLOY / "relion-dispatch"), *words]
    environment = {**os.environ, "RELION_DISPATCH_PYTHON": sys.executable, "TERM": "xterm"}
    if not on_terminal:
        done = subprocess.run(command, cwd=project, env=environment, capture_output=True)
        return done.stdout + done.stderr
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, cwd=project, env=environment, stdout=theirs, stderr=theirs):
        os.close(theirs)
        printed = b""
        try:
            while more := os.read(ours, 1 << 16):
                printed += more
        except OSError:  # the end of a terminal
            pass
    os.close(ours)
    return printed.replace(b"\r\n", b"\n")


@pytest.mark.parametrize("on_terminal", [False, True], ids=["pipe", "terminal"])
@pytest.mark.parametrize("name", list(COMMANDS))
def test_no_command_prints_what_acts(name: str, on_terminal: bool, hostile: Path) -> None:
    printed = run(hostile, COMMANDS[name], on_terminal).decode()

    assert printed
    assert "Traceback" not in printed
    if on_terminal:
        printed = COLOURS.sub("", printed)
    assert not ACTING.search(printed), printed
    if "JSON" in name and printed.startswith(("[", "{")):
        json.JSONDecoder().raw_decode(printed)  # warnings may follow


def test_the_hook_prints_nothing_that_acts(
    slurm: StandIn, corpus_job: CorpusJob, project: Path
) -> None:
    script = corpus_job("relion-5.0.1/PostProcess_job016")
    slurm.submits("printf 'no: \\033[2J \\302\\233 \\342\\200\\256\\n' >&2; exit 1")

    refused = call_hook(script)

    assert refused.returncode == 1
    assert not ACTING.search(refused.stdout + refused.stderr)
    assert "refused" in record_of(script.parent)
