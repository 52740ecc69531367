"""Refuse a job so that RELION's user sees why.

RELION ignores the hook's exit status and has marked the job Running before it calls us; only its
own files reach the user. Standard library only, and no other module of ours: this must work when
nothing else does.

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

__all__ = [
    "IN_SIGHT",
    "JOB_FOLDER",
    "TWO_ROWS",
    "described",
    "exit_name",
    "refuse",
    "say",
    "tell",
    "who_waits",
]

# RELION's window shows the last two or three rows of run.err; of a sentence at its beginning the
# last row alone, without empty lines before it (RELION 5.1.0, FLTK 1.3.11). What is longer than two
# rows (in characters) ends run.out as well: that field has six. job_template/library/relion.sh does
# both.
IN_SIGHT = "\n" * 3
TWO_ROWS = 180

# RELION's name of a job's folder: nothing is written into others. The programs in deploy/ that
# refuse jobs without Python repeat this rule (tests/programs/dispatch/test_job_folders.py).
JOB_FOLDER = re.compile("job[0-9]{3,}")

# A job of the CCP-EM Pipeliner: its job_runner.py reads JOB/job.star (relion/command.py). The
# programs in deploy/ that refuse jobs without Python look for these words, too.
_JOB_RUNNER = re.compile(rb"job_runner\.py'? '?[^ ]+/(job\.star|run\.job)'?\s*$", re.MULTILINE)
# As in dispatcher/printable.py, without ends of lines and tabs.
_HIDDEN = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
_LONGEST = 16_000  # characters of a line: more is not read, and may not fit
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_MORE = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def refuse(script: str, sentence: str) -> int:
    """Tell RELION that the job failed, append `sentence` to run.err, return exit status 1.

    What cannot be written is said on standard error. Nothing is raised, whatever goes wrong.
    """
    lines = ["relion-dispatch: The job was not submitted."]
    with suppress(BaseException):
        lines = [printable(f"relion-dispatch: {' '.join(sentence.splitlines())}")[:_LONGEST]]
    try:
        folder = _job_folder(script)
        if folder is not None:
            lines[:0] = _told(folder, Path(script).name, lines[0])
    except BaseException as error:
        lines.insert(0, f"relion-dispatch: RELION cannot be told ({described(error)}).")
    for line in lines:
        say(line)
    return 1


def _told(folder: int, script: str, line: str) -> list[str]:
    """Tell RELION, and then its user; what is to be said of that."""
    problems = []
    try:
        tell(folder, "FAILURE", script)
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


def exit_name(waits: str, end: str) -> str:
    """The file that tells the end to RELION or to the PIPELINER, which calls a failure FAILED."""
    told = "FAILED" if (waits, end) == ("PIPELINER", "FAILURE") else end
    return f"{waits}_JOB_EXIT_{told}"


def who_waits(folder: int, script: str) -> str:
    """RELION or the PIPELINER: who has written the submission `script`, and waits for the end."""
    head = _head(script, folder)
    return "PIPELINER" if _JOB_RUNNER.search(head) else "RELION"


def tell(folder: int, end: str, script: str) -> None:
    """Make the exit file of an end in a folder that is open, for who waits for the job.

    RELION finds the end of a Pipeliner's job as well: it may show the project, and the programs
    that the job runner has started may have told RELION something else.

    Raises:
        OSError: nothing can get the name of the file.
    """
    waits = who_waits(folder, script)
    _make_exit_file(folder, waits, end, script)
    if waits != "RELION":
        for other in {"SUCCESS", "FAILURE", "ABORTED"} - {end}:
            with suppress(OSError):
                os.unlink(exit_name("RELION", other), dir_fd=folder)
        with suppress(OSError):
            _make_exit_file(folder, "RELION", end, script)


def _make_exit_file(folder: int, waits: str, end: str, script: str) -> None:
    """Make one exit file.

    RELION looks whether stat(2) finds the file, whatever it holds (src/filename.cpp:513, 5.0), and
    so does the Pipeliner. So where a disk, or a quota, has no room for one more file, the
    submission `script` gets the name as well, as RELION writes the script anew for each run; a disk
    that counts names as files (a tmpfs does) has the job's script renamed, or else the submission
    script. In a sticky folder the name may be another user's link that leads nowhere, which nobody
    else can remove: then another of the files ends RELION's waiting as well.

    Raises:
        OSError: nothing can get such a name.
    """
    name = exit_name(waits, end)
    if _is_found(folder, name):
        with suppress(OSError):  # another user's
            os.utime(name, dir_fd=folder, follow_symlinks=False)
        return
    with suppress(OSError):  # a link that leads nowhere, which RELION would not see
        os.unlink(name, dir_fd=folder)
    try:
        os.close(os.open(name, _NEW, 0o666, dir_fd=folder))
        return
    except OSError as error:
        problem = error
    with suppress(OSError):
        os.link(script, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    for other in (f"{script}.run", script):
        if _is_found(folder, name):
            return
        with suppress(OSError):
            os.rename(other, name, src_dir_fd=folder, dst_dir_fd=folder)
    instead = exit_name(waits, "ABORTED" if end != "ABORTED" else "FAILURE")
    if not _is_found(folder, name) and not _is_found(folder, instead):
        try:
            os.close(os.open(instead, _NEW, 0o666, dir_fd=folder))
        except OSError:
            raise problem from None


def _is_found(folder: int, name: str, *, follow: bool = True) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=follow)
    except OSError:
        return False
    return True


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
    free = next(each for each in names if not _is_found(folder, each, follow=False))
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
    named = re.search(line, _head(script).decode(errors="replace"), re.MULTILINE)
    if named:
        with suppress(OSError):
            return os.open(named[1], os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    return None


def _head(script: str, folder: int | None = None) -> bytes:
    """How a file begins (in a folder that is open); nothing of what is no file, or is closed."""
    how = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        descriptor = os.open(script, how, dir_fd=folder)
    except (OSError, ValueError):
        return b""
    try:
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        return os.read(descriptor, 1 << 16) if is_file else b""
    except OSError:
        return b""
    finally:
        os.close(descriptor)


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
            print(printable(line), file=target, flush=True)
        except UnicodeError:  # a terminal of another alphabet
            print(ascii(line)[1:-1], file=target, flush=True)
    except (OSError, ValueError):
        with suppress(OSError, ValueError):  # or closing it fails once more at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), target.fileno())


def printable(text: str) -> str:
    """What :func:`dispatcher.printable.printable` makes of each line; a tab stays."""
    return text if text.isprintable() else re.sub(_HIDDEN, _escape, text)


def _escape(hidden: re.Match[str]) -> str:
    code = ord(hidden[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8
        code -= 0xDC00
    return "\\r" if code == 0xD else f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
