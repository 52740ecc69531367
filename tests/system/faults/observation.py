"""What is there after a fault: for RELION's user, in the scheduler, and left behind."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from dispatcher.host.processes import start_time
from dispatcher.jobs.record import load_record

from ...waiting import wait_for
from ..gridengine_site import in_queue
from ..project import Project
from .table import Seen

__all__ = ["EXIT_FILES", "exit_file", "observe", "slurm_knows"]

EXIT_FILES = "RELION_JOB_EXIT_*"
CLEARED = 20  # seconds for the last processes and folders to go


def exit_file(job: Path) -> Path | None:
    """RELION's exit file, of which there is one at most."""
    files = list(job.glob(EXIT_FILES))
    assert len(files) <= 1, files
    return files[0] if files else None


def observe(
    project: Project,
    job: Path,
    since: float,
    end: str,
    says: str | None = "",
    within: float = 30,
    scratch: Path | None = None,
) -> Seen:
    """Wait for the job's end, have RELION look at it, and see to it that all is as it should be.

    Args:
        since: when the fault took place (seconds since the epoch).
        end: ``Succeeded``, ``Failed`` or ``Aborted``.
        says: what the last line of run.err says of it; None where there is no room for a word.
        within: seconds from the fault in which RELION must be told; 90 more where the job goes on.
        scratch: the folder that the job makes its scratch folder in.
    """
    patience = since + within + (90 if end == "Succeeded" else 5) - time.time()
    wait_for(lambda: exit_file(job), max(patience, 0), f"the end of {job} ({tail(job)})")
    file = exit_file(job)
    assert file
    seconds = max(0.0, file.stat().st_mtime - since)
    record = project.record(job) if (job / "dispatch.json").exists() else {}
    number = str(record.get("job_id") or "")
    local = project.scheduler == "local"
    mark = number and VARIABLES[project.scheduler] + number
    try:
        wait_for(lambda: not list(left_behind(job, mark, local, scratch)), CLEARED, "clearing up")
    except AssertionError:
        left = list(left_behind(job, mark, local, scratch))
        raise AssertionError(f"{job} left behind: {left}") from None
    if number and not local:
        passing = ("RUNNING", "COMPLETING", "in the queue")
        knows = KNOWS[project.scheduler]
        wait_for(lambda: not knows(number).startswith(passing), CLEARED, "the job's end")
    checked = project.relion("relion_pipeliner", "--check_job_completion")
    assert project.status(job) == end, f"{checked.stdout}{checked.stderr}\n{tail(job)}"
    sentence = tail(job)
    if end == "Succeeded":
        assert "relion-dispatch: The job" not in sentence
        sentence = ""
    elif says is None:
        assert sentence == ""
    else:
        assert sentence.startswith("relion-dispatch: "), (job / "run.err").read_text()
        assert says in sentence, sentence
    assert end == "Succeeded" or seconds <= within
    return Seen(
        scheduler=project.scheduler,
        relion=end,
        seconds=None if end == "Succeeded" else seconds,
        recorded=_local(job) if local else KNOWS[project.scheduler](number),
        left="nothing",
        sentence=_anywhere(sentence, project),
    )


def _anywhere(sentence: str, project: Project) -> str:
    """The sentence without what it says of this machine, as its own documentation must be."""
    sentence = sentence.replace(str(project.folder), "PROJECT")
    sentence = sentence.replace(str(project.folder.parent), "FOLDER")
    return re.sub(rf"\b{re.escape(os.uname().nodename)}\b", "HOST", sentence)


def tail(job: Path) -> str:
    """The last line of run.err."""
    file = job / "run.err"
    lines = file.read_text(errors="replace").splitlines() if file.exists() else []
    return lines[-1] if lines else ""


def slurm_knows(number: str) -> str:
    """JobState and ExitCode of a job that may be over."""
    if not number:
        return "no job"
    shown = subprocess.run(
        ["scontrol", "show", "job", "--oneliner", number],
        capture_output=True,
        text=True,
        errors="replace",
    ).stdout
    found = re.search(r"JobState=(\S+).* ExitCode=(\S+)", shown)
    return f"{found[1]} {found[2]}" if found else "forgotten"


def gridengine_knows(number: str) -> str:
    """What the accounting says of a job that may be over; a job that never ran has none."""
    if not number:
        return "no job"
    if in_queue(number):
        return "in the queue"
    done = subprocess.run(["qacct", "-j", number], capture_output=True, text=True)
    found = dict(re.findall(r"^(failed|exit_status) +(\d+)", done.stdout, re.MULTILINE))
    if not found:
        return "no accounting"
    return f"failed {found['failed']}, exit_status {found['exit_status']}"


# The beginning of a variable of each of a job's processes, before the job's id.
VARIABLES = {"slurm": "SLURM_JOB_ID=", "gridengine": "JOB_ID=", "local": ""}
KNOWS = {"slurm": slurm_knows, "gridengine": gridengine_knows}


def _local(job: Path) -> str:
    if not (job / "dispatch.json").exists():
        return "no job"
    run = load_record(job / "dispatch.json").merged.get("run")
    return f"exit status {run['exit_status']}" if run else "no status"


def left_behind(job: Path, mark: str, local: bool, scratch: Path | None) -> Iterator[str]:
    """Processes, folders and files of a job that should have gone with it."""
    yield from (f"process {words}" for words in processes_of_job(job, mark, local))
    working = (".dispatch_control.*", ".dispatch.run.*.new", ".dispatch_probe", ".dispatch_hook")
    yield from (path.name for pattern in working for path in job.glob(pattern))
    kept = (".dispatch_claim.", ".dispatch_watcher.", ".dispatch_id.", ".dispatch.run.")
    yield from (p.name for p in job.glob(".*.[0-9a-f]*") if not p.name.startswith(kept))
    if scratch and scratch.exists():
        yield from (str(path) for path in scratch.iterdir())
    folders = [Path("/tmp"), *Path(os.environ["SLURM_CONF"]).parent.glob("nodes/*/tmp")]
    for folder in folders:
        yield from (str(path) for path in folder.glob("relion-mps.*") if not has_owner(path))


def has_owner(mps_folder: Path) -> bool:
    """Whether a job of another test, which runs at the same time, uses this folder of MPS."""
    try:
        owners = (mps_folder / "owners").read_text().splitlines()
    except OSError:
        return False
    return any(start_time(int(pid)) == began for pid, began, _ in map(str.split, owners))


def processes_of_job(job: Path, mark: str, local: bool) -> Iterator[str]:
    """The command lines of this user's living processes that belong to the job.

    That is those in its session (`mark` is its number), or with the variable that the scheduler
    gives to the job's processes (`mark` is the variable and its value), and those that work for its
    folder.
    """
    listed = subprocess.run(
        ["ps", "-u", str(os.getuid()), "-o", "pid=,sid=,stat=,args="],
        capture_output=True,
        text=True,
    ).stdout
    name = f"{job.parent.name}/{job.name}/"
    for row in listed.splitlines():
        pid, session, state, words = row.split(maxsplit=3)
        if state.startswith("Z") or "pipeliner" in words:
            continue
        try:
            folder = str(Path(f"/proc/{pid}/cwd").readlink())
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        own = local and session == mark
        in_job = not local and mark and mark.encode() in environment
        works = folder == str(job.parents[1]) and name in words
        if own or in_job or works:
            yield words
