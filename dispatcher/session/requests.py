"""Answers the requests that RELION's queue command leaves in the session's folder.

deploy/relion_client.sh is the other side, and says what each file is.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import BinaryIO

from ..host.shared_files import read_file, shared_folder
from .folder import INSIDE, TEMPLATE

__all__ = ["answer_new", "replies_wait"]

_REFUSED = 2
_LONGEST = 1 << 16  # bytes of a request: two paths


def answer_new(
    folder: Path, project: Path, submit: Sequence[str], environment: Mapping[str, str]
) -> list[Thread]:
    """Take the requests that have come and start to answer each in a thread of its own.

    `submit` runs in that `environment`.
    """
    threads = []
    for request in (folder / "requests").iterdir():
        if request.name.startswith("."):
            continue  # still being written
        try:
            text = os.fsdecode(read_file(request, _LONGEST))
            request.unlink()
        except OSError:
            continue  # withdrawn by the client, or no request
        arguments = (folder / "replies" / request.name, text, project, submit, environment)
        threads.append(Thread(target=_answer, args=arguments, daemon=True))
        threads[-1].start()
    return threads


def replies_wait(folder: Path) -> bool:
    """Whether a client has yet to fetch its reply."""
    return any((folder / "replies").glob("*.status"))


def _answer(
    reply: Path, text: str, project: Path, submit: Sequence[str], environment: Mapping[str, str]
) -> None:
    try:
        # Files and no pipes: a job that the hook starts on this machine may keep them open.
        with shared_folder(reply.parent) as replies:
            with (
                replies.opened_new(f"{reply.name}.out") as out,
                replies.opened_new(f"{reply.name}.err") as err,
            ):
                status = _submit(text, project, submit, environment, out, err)
            replies.replace(f"{reply.name}.status", f"{status}\n".encode())
    except (FileNotFoundError, FileExistsError):
        # The session ended without waiting for this answer, and its folder has gone; or a name was
        # used twice.
        pass


def _submit(
    text: str,
    project: Path,
    submit: Sequence[str],
    environment: Mapping[str, str],
    out: BinaryIO,
    err: BinaryIO,
) -> int:
    """Run the hook on the host; the exit status, and what is to be said in `out` and `err`."""
    cwd, _, script = text.removesuffix("\n").partition("\n")
    complaint = _complaint(cwd, script, project)
    status = _REFUSED
    if not complaint:
        try:
            status = subprocess.run(
                [*submit, script],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=project,
                env={**environment, "RELION_DISPATCH_TEMPLATE": f"{INSIDE}/{TEMPLATE}"},
                start_new_session=True,  # A Ctrl-C in the terminal must not break off a submission.
            ).returncode
        except (OSError, ValueError) as error:
            complaint = f"{submit[0]} cannot be run: {error}"
        if status < 0:
            complaint = f"{submit[0]} was killed by signal {-status} while it submitted {script}."
            status = 128 - status
    if complaint:
        err.write(os.fsencode(f"relion-dispatch: {complaint}\n"))
    return status


def _complaint(cwd: str, script: str, project: Path) -> str | None:
    """Why a request is refused.

    The script's path is judged as it is written: a job folder may be a link to another disk.
    """
    try:
        same = Path(cwd or os.devnull).samefile(project)
    except (OSError, ValueError):
        same = False
    if not same:
        return (
            f"this RELION session serves {project}, not {cwd or '(no folder)'}: start a session "
            "there with `relion-dispatch relion`."
        )
    path = Path(script)
    inside = path.is_relative_to(project) if path.is_absolute() else bool(path.parts)
    if not inside or os.pardir in path.parts:
        return f"{script or '(no script)'} is not in the project {project}."
    return None
