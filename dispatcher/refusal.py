"""Refuse a job so that RELION's user sees why.

RELION ignores the hook's exit status and has marked the job Running before it calls us; only its
own files reach the user. Standard library only, and no other module of ours: this must work when
nothing else does.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from pathlib import Path
from typing import TextIO

__all__ = ["JOB_FOLDER", "refuse", "say"]

# RELION's name of a job's folder: nothing is written into others. The programs in deploy/ that
# refuse jobs without Python repeat this rule (tests/programs/dispatch/test_job_folders.py).
JOB_FOLDER = re.compile("job[0-9]{3,}")


def refuse(script: str, sentence: str) -> int:
    """Append `sentence` to run.err, make RELION_JOB_EXIT_FAILURE, return exit status 1.

    What cannot be written is said on standard error; nothing is raised.
    """
    line = f"relion-dispatch: {sentence}"
    folder, errfile = _where(Path(script))
    if folder is None:
        say(line)
        return 1
    try:
        with errfile.open("a", encoding="utf-8", errors="replace") as stream:
            stream.write(line + "\n")
    except OSError as error:
        say(f"relion-dispatch: {error}")
    try:
        (folder / "RELION_JOB_EXIT_FAILURE").touch()
    except OSError as error:
        say(f"relion-dispatch: {error}")
    say(line)
    return 1


def say(line: str, stream: TextIO | None = None) -> None:
    """Print to standard error, or to `stream`, if anybody still listens: RELION's terminal may be
    closed."""
    target = stream or sys.stderr
    if target is None:
        return
    try:
        print(line, file=target, flush=True)
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):  # or closing it fails once more at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), target.fileno())


def _where(script: Path) -> tuple[Path | None, Path]:
    """The job's folder, in which RELION looks, and its error file; no folder if there is none.

    That is the script's own folder if it is a job's; else the folder that the script names, if it
    exists below the working folder.
    """
    own = script.absolute().parent
    if JOB_FOLDER.fullmatch(own.name) and own.is_dir():
        return own, own / "run.err"
    try:
        with script.open(encoding="utf-8", errors="replace") as stream:
            head = stream.read(4096)
    except (OSError, ValueError):
        return None, own
    line = rf"^(?:errfile: )?(\w+/{JOB_FOLDER.pattern})/run\.err\s*$"
    named = re.search(line, head, re.MULTILINE)
    folder = Path(named[1]).absolute() if named else None
    return (folder if folder and folder.is_dir() else None), Path(folder or own) / "run.err"
