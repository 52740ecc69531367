"""Refuse a job so that RELION's user sees why.

RELION ignores the hook's exit status and has marked the job Running before it calls us; only its
own files reach the user. Standard library only, and of our modules only those that need no more
than that: this must work when nothing else does.

Others may write the job's folder, so the folder is opened once and no link in it is followed; and
the disk may be full, so what ends RELION's waiting comes first.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from ..printable import printable
from .tell_end import beginning_of, is_found, tell_end

__all__ = ["IN_SIGHT", "JOB_FOLDER", "TWO_ROWS", "described", "refuse", "say"]

# RELION's window shows the last two or three rows of run.err; of a sentence at its beginning the
# last row alone, without empty lines before it (RELION 5.1.0, FLTK 1.3.11). What is longer than two
# rows (in characters) ends run.out as well: that field has six. job_template/library/relion.sh does
# both.
IN_SIGHT = "\n" * 3
TWO_ROWS = 180

# RELION's name of a job's folder: nothing is written into others. The programs in deploy/ that
# refuse jobs without Python repeat this rule (tests/programs/dispatch/test_job_folders.py).
JOB_FOLDER = re.compile("job[0-9]{3,}")

_LONGEST = 16_000  # characters of a line: more is not read, and may not fit
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_MORE = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def refuse(script: str, sentence: str) -> int:
    """Tell RELION that the job failed, append `sentence` to run.err, return exit status 1.

    What cannot be written is said on standard error. Nothing is raised, whatever goes wrong.
    """
    lines = ["relion-dispatch: The job was not submitted."]
    with suppress(BaseException):
        lines = [_printable(f"relion-dispatch: {' '.join(sentence.splitlines())}")[:_LONGEST]]
    try:
        folder = _job_folder(script)
        if folder is not None:
            lines[:0] = _tell(folder, Path(script).name, lines[0])
    except BaseException as error:
        lines.insert(0, f"relion-dispatch: RELION cannot be told ({described(error)}).")
    for line in lines:
        say(line)
    return 1


def _tell(folder: int, script: str, line: str) -> list[str]:
    """Tell RELION, and then its user; a line on each thing that cannot be told."""
    problems = []
    try:
        tell_end(folder, "FAILURE", script)
    except BaseException as error:
        problems.append(
            f"relion-dispatch: RELION_JOB_EXIT_FAILURE cannot be made ({described(error)}), so "
            "RELION shows the job as running: correct the permissions of the job's folder or free "
            "space on its disk, and mark the job as failed in RELION."
        )
    try:
        _append(folder, "run.err", f"{IN_SIGHT}{line}\n".encode(errors="backslashreplace"))
    except BaseException as error:
        problems.append(
            f"relion-dispatch: run.err cannot be written ({described(error)}), so what follows "
            "stands here only."
        )
    if len(line) > TWO_ROWS:
        with suppress(BaseException):  # run.err has it
            _append(folder, "run.out", f"{line}\n".encode(errors="backslashreplace"))
    return problems


def _append(folder: int, name: str, content: bytes) -> None:
    """Write behind what a regular file of one name holds, or into a new one.

    Anything else of that name, and a file that another user has closed, is renamed before: nothing
    is lost that others have put there.
    """
    with suppress(OSError):
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            _put_aside(folder, name)
    try:
        descriptor = os.open(name, _MORE, dir_fd=folder)
    except (FileNotFoundError, PermissionError) as error:
        if isinstance(error, PermissionError):
            _put_aside(folder, name)
        descriptor = os.open(name, _MORE | _NEW, 0o666, dir_fd=folder)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            raise OSError(errno.EINVAL, "it is not a file of its own")
        while content:
            content = content[os.write(descriptor, content) :]
    finally:
        os.close(descriptor)


def _put_aside(folder: int, name: str) -> None:
    """Rename to NAME.1, or to the next such name that is free."""
    names = (f"{name}.{number}" for number in range(1, 1000))
    free = next(each for each in names if not is_found(folder, each, follow=False))
    os.rename(name, free, src_dir_fd=folder, dst_dir_fd=folder)


def _job_folder(script: str) -> int | None:
    """A descriptor of the job's folder, in which RELION looks; None if there is none.

    That is the script's own folder if it is a job's; else the folder that the script names, if it
    exists below the working folder.
    """
    own = Path(script).parent
    name = own.name if own.parts else Path.cwd().name
    if JOB_FOLDER.fullmatch(name):
        with suppress(FileNotFoundError, NotADirectoryError):
            return os.open(own, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    line = rf"^(?:errfile: )?(\w+/{JOB_FOLDER.pattern})/run\.err\s*$"
    named = re.search(line, beginning_of(script).decode(errors="replace"), re.MULTILINE)
    if named:
        with suppress(OSError):
            return os.open(named[1], os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    return None


def described(error: BaseException) -> str:
    """What an error says; its kind if it says nothing, or if it cannot say anything."""
    with suppress(BaseException):
        said = (error.strerror if isinstance(error, OSError) else None) or str(error)
        return said or type(error).__name__
    return type(error).__name__


def say(line: str, stream: TextIO | None = None) -> None:
    """Print to standard error, or to `stream`, if anybody still listens: RELION's terminal may be
    closed."""
    target = stream or sys.stderr
    if target is None:
        return
    try:
        try:
            print(_printable(line), file=target, flush=True)
        except UnicodeError:  # a terminal of another alphabet
            print(ascii(line)[1:-1], file=target, flush=True)
    except (OSError, ValueError):
        with suppress(OSError, ValueError):  # or closing it fails once more at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), target.fileno())


def _printable(text: str) -> str:
    """The text as a terminal may show it; ends of lines and tabs stay."""
    lines = (map(printable, line.split("\t")) for line in text.split("\n"))
    return "\n".join(map("\t".join, lines))
