"""Who waits for the end of a job, and how is it told? By the exit files of RELION or the Pipeliner.

Standard library only, and no other module of ours: a job is refused by these files as well, and
that must work when nothing else does.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from itertools import pairwise, takewhile

__all__ = ["JOB_RUNNER", "beginning_of", "exit_name", "is_found", "pipeliner_job", "tell_end",
           "waiting_program"]  # fmt: skip

JOB_RUNNER = "job_runner.py"  # of the CCP-EM Pipeliner: runs all commands of a job

# The programs in deploy/ that refuse jobs without Python have this rule in shell text:
# tests/programs/dispatch/test_pipeliner_jobs.py has the same command lines for all of them.
_BETWEEN_WORDS = re.compile(r"[ \t\r\"';&|<>]+")
_JOB_FILE = re.compile(r"([^/].*)/(?:job\.star|run\.job)", re.DOTALL)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_LONGEST = 256 << 10  # bytes; no submission is longer (relion/submission.py)


def pipeliner_job(line: str) -> str | None:
    """The job that a command line has the CCP-EM Pipeliner's job runner run; None for any other.

    ``PYTHON … job_runner.py Refine3D/job019/job.star`` (or run.job, in an older project) is how the
    Pipeliner writes it (get_job_runner_command in pipeliner/utils.py, and job_manager.py, 1.6.1). A
    template may have put more around it, such as a redirection; what is quoted counts as it stands.

    >>> pipeliner_job("python3 '/my env/job_runner.py' Refine3D/job019/job.star 2> run.err")
    'Refine3D/job019'
    """
    if JOB_RUNNER not in line:  # of most lines nothing more is asked
        return None
    words = filter(None, _BETWEEN_WORDS.split(line))
    for script, file in pairwise(takewhile(lambda word: word[0] != "#", words)):
        job = _JOB_FILE.fullmatch(file)
        if job and script.rpartition("/")[2] == JOB_RUNNER:
            return job[1]
    return None


def waiting_program(folder: int, script: str) -> str:
    """RELION or PIPELINER: which has written the submission `script`, and waits for the job's end.

    `folder` is the job's, opened.
    """
    lines = beginning_of(script, folder).decode(errors="replace").split("\n")
    return "PIPELINER" if any(map(pipeliner_job, lines)) else "RELION"


def exit_name(waiting: str, end: str) -> str:
    """The file that tells an end to RELION or to the PIPELINER, which calls a failure FAILED."""
    word = "FAILED" if (waiting, end) == ("PIPELINER", "FAILURE") else end
    return f"{waiting}_JOB_EXIT_{word}"


def tell_end(folder: int, end: str, script: str) -> None:
    """Make the exit file of an end in a folder that is open, for the program that waits.

    RELION finds the end of a Pipeliner's job as well: it may show the project, and the programs
    that the job runner has started may have told RELION something else.

    Raises:
        OSError: nothing can get the name of the file.
    """
    waiting = waiting_program(folder, script)
    _make_exit_file(folder, waiting, end, script)
    if waiting != "RELION":
        for other in {"SUCCESS", "FAILURE", "ABORTED"} - {end}:
            with suppress(OSError):
                os.unlink(exit_name("RELION", other), dir_fd=folder)
        with suppress(OSError):
            _make_exit_file(folder, "RELION", end, script)


def _make_exit_file(folder: int, waiting: str, end: str, script: str) -> None:
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
    name = exit_name(waiting, end)
    if is_found(folder, name):
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
        if is_found(folder, name):
            return
        with suppress(OSError):
            os.rename(other, name, src_dir_fd=folder, dst_dir_fd=folder)
    instead = exit_name(waiting, "ABORTED" if end != "ABORTED" else "FAILURE")
    if not is_found(folder, name) and not is_found(folder, instead):
        try:
            os.close(os.open(instead, _NEW, 0o666, dir_fd=folder))
        except OSError:
            raise problem from None


def is_found(folder: int, name: str, *, follow: bool = True) -> bool:
    """Whether there is something of that name in a folder that is open."""
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=follow)
    except OSError:
        return False
    return True


def beginning_of(script: str, folder: int | None = None) -> bytes:
    """How a file begins (in a folder that is open); nothing of what is no file, or is closed."""
    how = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        descriptor = os.open(script, how, dir_fd=folder)
    except (OSError, ValueError):
        return b""
    try:
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        return os.read(descriptor, _LONGEST) if is_file else b""
    except OSError:
        return b""
    finally:
        os.close(descriptor)
