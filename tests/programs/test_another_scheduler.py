"""A scheduler that nobody ships: one file, a folder of templates and a module, and no other change.

The ferry answers in XML, JSON and blocks of lines, which patterns for single lines cannot read.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dispatcher.config.scheduler import Scheduler
from dispatcher.config.site import load_site
from dispatcher.scheduler import dialects
from dispatcher.scheduler.calls import ask_end, ask_queue

from .stand_in_scheduler import record_of

MODULE = '''"""The answers of the ferry."""

import json
from xml.etree import ElementTree

from dispatcher.scheduler.answers import QueuedJob, SubmitAnswer


def read_answer(scheduler, program, done):
    try:
        ticket = ElementTree.fromstring(done.stdout).findtext("ticket")
    except ElementTree.ParseError:
        return SubmitAnswer("refused", None, f"{program} said: {done.stderr.strip()}")
    return SubmitAnswer("taken", ticket, f"{program} gave ticket {ticket}")


def read_jobs(scheduler, printed):
    for job in json.loads(printed)["jobs"]:
        token = job["note"].removeprefix("relion-dispatch:")
        yield QueuedJob(str(job["ticket"]), job["phase"], token, node=job["ship"])


def read_end(scheduler, printed):
    block = dict(line.split(maxsplit=1) for line in printed.splitlines())
    if block.get("phase") == "at sea":
        return None
    return f"its ship had a {block['cause']}: submit it again"
'''

DESCRIBED = {
    "mark": ["--note=relion-dispatch:{token}"],
    "pending": ["waiting"],
    "ended": ["landed"],
    "alive": ["at sea"],
    "ends": {"cause leak": "its ship had a leak: submit it again"},
    "overriding": ["FERRY_"],
    "retry": 0,
}

PROGRAMS = {
    "board": '[ -z "${FERRY_SHIP:-}" ] || exit 9; echo "$*" >> boarded\n'
    'note="$1"; [[ $note == --note=* ]] || { echo "<o><ticket>42</ticket></o>"; exit; }\n'
    "[ ! -e full ] || { echo 'the ferry is full' >&2; exit 3; }\n"
    'echo "{\\"jobs\\": [{\\"ticket\\": 41, \\"phase\\": \\"at sea\\", \\"ship\\": \\"Argo\\",'
    ' \\"note\\": \\"${note#--note=}\\"}]}" > queue\n'
    'echo "<o>"; echo "  <ticket>41</ticket>"; echo "</o>"\n',
    "quay": "cat queue\n",
    "lookout": "cat last\n",
}

pytestmark = pytest.mark.usefixtures("images")


@pytest.fixture
def harbour(tmp_path: Path, site: Callable[..., Path]) -> Path:
    """The ferry's programs, and all that a site has to add for it."""
    folder = tmp_path / "harbour"
    folder.mkdir()
    for name, body in PROGRAMS.items():
        (folder / name).write_text(f"#!/bin/bash\ncd '{folder}' || exit 1\n{body}")
        (folder / name).chmod(0o755)
    commands = {
        "submit_command": [str(folder / "board")],
        "queue_command": [str(folder / "quay")],
        "queue_pattern": "(?P<id>)(?P<state>)(?P<token>)",
        "end_command": [str(folder / "lookout"), "{job_id}"],
        "watcher": {"submit_command": [str(folder / "board"), "--after={job_id}"]},
    }
    site("schedulers/ferry.json", {**DESCRIBED, **commands})
    site("site.json", {"scheduler": "ferry"})
    directives = "#FERRY --name={{ job.name | directive }}\ndispatch_scheduler_job=41\n"
    for name in ("ferry.sh.j2", "ferry/directives.sh.j2"):
        site(f"job_template/schedulers/{name}", directives)
    for name in ("ferry_watcher.sh.j2", "ferry/watcher.sh.j2"):
        site(f"job_template/schedulers/{name}", "#FERRY --after\n")
    (tmp_path / "dialects").mkdir()
    (tmp_path / "dialects" / "ferry.py").write_text(MODULE)
    return folder


@pytest.fixture
def ferry(harbour: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scheduler:
    """The scheduler, for functions that are called here."""
    monkeypatch.setattr(dialects, "__path__", [*dialects.__path__, str(tmp_path / "dialects")])
    monkeypatch.delitem(sys.modules, f"{dialects.__name__}.ferry", raising=False)
    return load_site().schedulers["ferry"]


def call_hook(script: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Call the hook of a dispatcher that has the module."""
    start = (
        "import sys; from dispatcher.scheduler import dialects; "
        "dialects.__path__.append(sys.argv.pop(1)); "
        "from dispatcher.__main__ import main; sys.exit(main())"
    )
    words = [tmp_path / "dialects", "submit", script.relative_to(script.parents[2])]
    return subprocess.run(
        [sys.executable, "-B", "-c", start, *map(str, words)],
        cwd=script.parents[2],
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "RELION_DISPATCH_SITE": str(tmp_path / "site"),
            "RELION_DISPATCH_RUNTIME": str(tmp_path / "runtime"),
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
            "FERRY_SHIP": "another",
        },
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_job_is_submitted_and_found_and_its_end_is_told(
    harbour: Path, ferry: Scheduler, corpus_job: Callable[[str], Path], tmp_path: Path
) -> None:
    script = corpus_job("relion-5.0.1/Refine3D_job011")

    done = call_hook(script, tmp_path)

    assert done.returncode == 0, done.stderr
    record = record_of(script.parent)
    assert (record["job_id"], record["watcher"]) == ("41", {"job_id": "42"})
    job, watcher = (harbour / "boarded").read_text().splitlines()
    assert job == f"--note=relion-dispatch:{record['token']} {record['job_script']}"
    assert watcher == "--after=41 Refine3D/job011/run_submit.script.watch 41"
    text = (script.parent / "run_submit.script.run").read_text()
    assert "\n#FERRY --name=Refine3D/job011" in text

    queue = ask_queue(ferry, script.parents[2])
    assert queue
    (found,) = queue.living(record["token"])
    assert (found.job_id, found.state, found.node) == ("41", "at sea", "Argo")

    (harbour / "last").write_text("ticket 41\nphase at sea\n")
    assert ask_end(ferry, "41", script.parents[2]) is None
    (harbour / "last").write_text("ticket 41\nphase landed\ncause leak\n")
    assert ask_end(ferry, "41", script.parents[2]) == "its ship had a leak: submit it again"

    subprocess.run(["bash", script.with_suffix(".script.watch"), "41"], check=True, timeout=60)
    assert (script.parent / "RELION_JOB_EXIT_FAILURE").exists()
    assert (
        "because its ship had a leak: submit it again." in (script.parent / "run.err").read_text()
    )


@pytest.mark.usefixtures("ferry")
def test_a_refusal_in_its_own_words_is_told(
    harbour: Path, corpus_job: Callable[[str], Path], tmp_path: Path
) -> None:
    script = corpus_job("relion-5.0.1/Refine3D_job011")
    (harbour / "full").touch()
    (harbour / "queue").write_text(json.dumps({"jobs": []}))

    done = call_hook(script, tmp_path)

    assert done.returncode == 1
    assert (
        "said: the ferry is full: choose another queue" in (script.parent / "run.err").read_text()
    )
