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
from ..beds import Bed
from ..project import Project
from .page import Seen

__all__ = ["EXIT_FILES", "exit_file", "observe"]

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
    bed: Bed | None,
    since: float,
    end: str,
    says: str | None = "",
    within: float = 30,
    scratch: Path | None = None,
) -> Seen:
    """Wait for the job's end, have RELION look at it, and see to it that all is as it should be.

    Args:
        bed: the cluster that the job went to; None for this machine.
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
    try:
        wait_for(
            lambda: not list(left_behind(project, job, number, bed, scratch)),
            CLEARED,
            "clearing up",
        )
    except AssertionError:
        left = list(left_behind(project, job, number, bed, scratch))
        raise AssertionError(f"{job} left behind: {left}") from None
    if number and bed:
        wait_for(lambda: not bed.knows(number).startswith(bed.passing), CLEARED, "the job's end")
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
    knows = bed.knows(number) if bed and number else "no job"
    return Seen(
        relion=end,
        seconds=None if end == "Succeeded" else seconds,
        recorded=knows if bed else _local(job),
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


def _local(job: Path) -> str:
    if not (job / "dispatch.json").exists():
        return "no job"
    run = load_record(job / "dispatch.json").merged.get("run")
    return f"exit status {run['exit_status']}" if run else "no status"


def left_behind(
    project: Project, job: Path, number: str, bed: Bed | None, scratch: Path | None
) -> Iterator[str]:
    """Processes, folders and files of a job that should have gone with it."""
    marks = bed.mark(project, number) if bed and number else []
    session = "" if bed else number
    yield from (f"process {words}" for words in processes_of_job(job, session, marks))
    working = (".dispatch_control.*", ".dispatch.run.*.new", ".dispatch_probe", ".dispatch_hook")
    yield from (path.name for pattern in working for path in job.glob(pattern))
    kept = (".dispatch_claim.", ".dispatch_watcher.", ".dispatch_id.", ".dispatch.run.")
    yield from (p.name for p in job.glob(".*.[0-9a-f]*") if not p.name.startswith(kept))
    if scratch and scratch.exists():
        yield from (str(path) for path in scratch.iterdir())
    for folder in bed.nodes_tmp() if bed else [Path("/tmp")]:
        yield from (str(path) for path in folder.glob("relion-mps.*") if not has_owner(path))


def has_owner(mps_folder: Path) -> bool:
    """Whether a job of another test, which runs at the same time, uses this folder of MPS."""
    try:
        owners = (mps_folder / "owners").read_text().splitlines()
    except OSError:
        return False
    return any(start_time(int(pid)) == began for pid, began, _ in map(str.split, owners))


def processes_of_job(job: Path, session: str, marks: list[str]) -> Iterator[str]:
    """The command lines of this user's living processes that belong to the job.

    That is those in its session, "" for none, or with all the variables that the scheduler gives to
    the job's processes, [] for none, and those that work for its folder.
    """
    listed = subprocess.run(
        ["ps", "-u", str(os.getuid()), "-o", "pid=,sid=,stat=,args="],
        capture_output=True,
        text=True,
        errors="surrogateescape",
    ).stdout
    name = f"{job.parent.name}/{job.name}/"
    wanted = {os.fsencode(each) for each in marks}
    for row in listed.splitlines():
        pid, own_session, state, words = row.split(maxsplit=3)
        if state.startswith("Z") or "pipeliner" in words:
            continue
        try:
            folder = str(Path(f"/proc/{pid}/cwd").readlink())
            environment = {*Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")}
        except OSError:
            continue
        in_job = wanted and wanted <= environment
        works = folder == str(job.parents[1]) and name in words
        if (session and own_session == session) or in_job or works:
            yield words
