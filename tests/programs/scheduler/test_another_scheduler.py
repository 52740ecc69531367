"""A scheduler that nobody ships: one file, a folder of templates and a module, and no other change.

The ferry answers in XML, JSON and blocks of lines, which patterns for single lines cannot read.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ...fixture_types import CorpusJob, WriteSite
from ...stand_in_programs import link_stand_in
from ..stand_in_scheduler import record_of

ROOT = Path(__file__).parents[3]

Run = Callable[..., subprocess.CompletedProcess[str]]

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

pytestmark = pytest.mark.usefixtures("images")


@pytest.fixture
def harbour(tmp_path: Path, site: WriteSite) -> Path:
    """The ferry's programs, and all that a site has to add for it."""
    folder = tmp_path / "harbour"
    folder.mkdir()
    for name in ("board", "quay", "lookout"):
        link_stand_in(f"harbour/{name}", folder)
    commands = {
        "submit_command": [str(folder / "board")],
        "queue_command": [str(folder / "quay")],
        "end_command": [str(folder / "lookout"), "{job_id}"],
        "watcher": {"submit_command": [str(folder / "board"), "--after={job_id}"]},
    }
    site("schedulers/ferry.json", {**DESCRIBED, **commands})
    site("site.json", {"scheduler": "ferry"})
    # Under both names by which templates have been included.
    directives = "#FERRY --name={{ job.name | directive }}\ndispatch_scheduler_job=41\n"
    for name in ("ferry.sh.j2", "ferry/directives.sh.j2"):
        site(f"job_template/schedulers/{name}", directives)
    for name in ("ferry_watcher.sh.j2", "ferry/watcher.sh.j2"):
        site(f"job_template/schedulers/{name}", "#FERRY --after\n")
    return folder


@pytest.fixture
def dispatcher(tmp_path: Path) -> Path:
    """A copy of the dispatcher to which one module was added."""
    copy = tmp_path / "copy"
    ignored = shutil.ignore_patterns("__pycache__")
    for part in ("dispatcher", "config", "job_template"):
        shutil.copytree(ROOT / part, copy / part, ignore=ignored)
    (copy / "dispatcher" / "scheduler" / "dialects" / "ferry.py").write_text(MODULE)
    return copy


@pytest.fixture
def run(
    dispatcher: Path, project: Path, tmp_path: Path
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Python in the project, with that dispatcher and with a variable of the ferry's."""

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-B", *words],
            cwd=project,
            env={
                "PATH": "/usr/bin:/bin",
                "PYTHONPATH": str(dispatcher),
                "RELION_DISPATCH_SITE": str(tmp_path / "site"),
                "RELION_DISPATCH_RUNTIME": str(tmp_path / "runtime"),
                "XDG_CACHE_HOME": str(tmp_path / "cache"),
                "FERRY_SHIP": "another",
            },
            capture_output=True,
            text=True,
            timeout=60,
        )

    return call


ASK = """
import json
from pathlib import Path
from dispatcher.config.site import load_site
from dispatcher.scheduler.calls import ask_end, ask_queue

ferry = load_site().schedulers["ferry"]
queue = ask_queue(ferry, Path("."))
living = [job for job in queue.jobs if not queue.has_ended(job)]
print(json.dumps({"living": living, "end": ask_end(ferry, "41", Path("."))}))
"""


def submitted(script: Path) -> list[str]:
    return ["-m", "dispatcher", "submit", str(script.relative_to(script.parents[2]))]


def test_a_job_is_submitted_and_found_and_its_end_is_told(
    harbour: Path, run: Run, corpus_job: CorpusJob
) -> None:
    script = corpus_job("relion-5.0.1/Refine3D_job011")

    done = run(*submitted(script))

    assert done.returncode == 0, done.stderr
    record = record_of(script.parent)
    assert (record["job_id"], record["watcher"]) == ("41", {"job_id": "42"})
    job, watcher = (harbour / "boarded").read_text().splitlines()
    assert job == f"--note=relion-dispatch:{record['token']} {record['job_script']}"
    assert watcher == "--after=41 Refine3D/job011/run_submit.script.watch 41"
    text = (script.parent / "run_submit.script.run").read_text()
    assert "\n#FERRY --name=Refine3D/job011" in text

    (harbour / "last").write_text("ticket 41\nphase at sea\n")
    assert json.loads(run("-c", ASK).stdout) == {
        "living": [["41", "at sea", record["token"], "Argo", "", "", "", ""]],
        "end": None,
    }
    (harbour / "last").write_text("ticket 41\nphase landed\ncause leak\n")
    assert json.loads(run("-c", ASK).stdout)["end"] == "its ship had a leak: submit it again"

    watch = script.with_name("run_submit.script.watch")
    subprocess.run(["bash", watch, "41"], check=True, timeout=60)
    assert (script.parent / "RELION_JOB_EXIT_FAILURE").exists()
    assert (
        "because its ship had a leak: submit it again." in (script.parent / "run.err").read_text()
    )


def test_a_refusal_in_its_own_words_is_told(harbour: Path, run: Run, corpus_job: CorpusJob) -> None:
    script = corpus_job("relion-5.0.1/Refine3D_job011")
    (harbour / "full").touch()
    (harbour / "queue").write_text(json.dumps({"jobs": []}))

    done = run(*submitted(script))

    assert done.returncode == 1
    assert (
        "said: the ferry is full: choose another queue" in (script.parent / "run.err").read_text()
    )


@pytest.mark.usefixtures("harbour")
def test_without_its_module_the_ferry_needs_a_pattern(dispatcher: Path, run: Run) -> None:
    (dispatcher / "dispatcher" / "scheduler" / "dialects" / "ferry.py").unlink()

    said = run("-m", "dispatcher", "check").stdout

    assert 'ferry.json: key "queue_pattern": the pattern needs a group' in said
