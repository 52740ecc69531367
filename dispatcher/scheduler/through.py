"""A scheduler's commands on another machine that sees the same files, through ssh or the like.

Each command takes two steps. The first starts nothing: it finds out whether the other machine can
be reached, whether it has the folder, the program and the files, and which variables the command
would see. So what goes wrong there leaves nothing open. The second step runs the command. If its
end is not told, nobody knows whether it took place.

The calls of a user share one connection for a while (ssh's ControlMaster).
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ..config.inherited import not_inherited
from ..config.scheduler import Scheduler
from ..host import programs
from ..host.shared_files import read_file
from .no_way import LostError, NoWayError
from .shell_there import (
    Command,
    NotStarted,
    finished,
    names_in,
    not_started,
    text_to_look,
    text_to_run,
)
from .ssh_command import is_ssh, ssh_words, trouble

__all__ = ["call_there", "has_program_there"]

_LATE = 25  # seconds after which a file that was written here must be seen there
_LONGEST_FILE = 1 << 24  # bytes; what is longer is no script
# By these, bash takes a command for a login's, and reads ~/.bashrc: a job's script would, too.
_OF_A_LOGIN = ("SSH_CLIENT", "SSH2_CLIENT", "SSH_CONNECTION", "SSH_TTY")
# Libraries of another program, as of RELION's environment, which keep ssh from starting.
_OF_LIBRARIES = ("LD_LIBRARY_PATH", "LD_PRELOAD", "LD_AUDIT")


class _Way(NamedTuple):
    """What leads to the other machine, and for how long it may take (seconds)."""

    through: tuple[str, ...]
    seconds: float
    unset: tuple[str, ...]

    @property
    def machine(self) -> str:
        return self.through[-1]


def call_there(scheduler: Scheduler, argv: Sequence[str], folder: Path) -> programs.Finished:
    """Run a command on the other machine.

    Raises:
        NoWayError: nothing was started.
        LostError: nobody knows how the command ended.
        subprocess.TimeoutExpired: it did not end in the scheduler's time.
    """
    way = _way(scheduler)
    files = _files(argv[1:], folder)
    starts = _started_by(scheduler, argv[0])
    command = Command(tuple(argv), folder, files, min(_LATE, scheduler.timeout / 2), starts)
    names = _looked(way, command) if files else _names_seen(way, argv[0], folder, starts)
    unset = [*not_inherited(names, scheduler), *_OF_A_LOGIN]
    mark = _mark()
    done = _exchange(way, text_to_run(mark, command, unset, _taken_along(scheduler)))
    if lacks := not_started(mark, command, done.stdout):
        raise _lacking(way, lacks)
    found = finished(mark, done)
    if found is None:
        raise LostError(way.machine)
    return found


def has_program_there(scheduler: Scheduler, program: str, folder: Path) -> bool:
    """Whether the other machine has a program.

    Raises:
        NoWayError: it does not tell.
        subprocess.TimeoutExpired: it did not do so in the scheduler's time.
    """
    try:
        _names_seen(_way(scheduler), program, folder, _started_by(scheduler, program))
    except NoWayError as error:
        if error.lacks == "program":
            return False
        raise
    return True


def _way(scheduler: Scheduler) -> _Way:
    unset = list(not_inherited(os.environ, scheduler))
    if is_ssh(scheduler.through[0]):
        unset += _OF_LIBRARIES
    return _Way(tuple(scheduler.through), scheduler.timeout, tuple(unset))


def _started_by(scheduler: Scheduler, program: str) -> tuple[str, ...]:
    """The scheduler's programs if this is a shell, whose text names what it starts."""
    if Path(program).name not in ("sh", "bash"):
        return ()
    commands = (scheduler.submit_command, scheduler.cancel_command)
    return tuple(command[0] for command in commands if command)


@cache
def _names_seen(way: _Way, program: str, folder: Path, starts: tuple[str, ...]) -> tuple[str, ...]:
    return _looked(way, Command((program,), folder, starts=starts))


def _looked(way: _Way, command: Command) -> tuple[str, ...]:
    """See that the command can run there; the names of the variables that it would see."""
    mark = _mark()
    done = _exchange(way, text_to_look(mark, command))
    if lacks := not_started(mark, command, done.stdout):
        raise _lacking(way, lacks)
    found = finished(mark, done)
    if found is None:
        raise NoWayError(*trouble(way.through, done))
    return tuple(names_in(found.stdout))


def _taken_along(scheduler: Scheduler) -> Mapping[str, str]:
    """The variables that the command gets from here."""
    here = [name for name in scheduler.through_variables if name in os.environ]
    kept = set(not_inherited(here, scheduler))
    return {name: os.environ[name] for name in here if name not in kept}


def _exchange(way: _Way, text: str) -> programs.Finished:
    try:
        return programs.run(
            ssh_words(way.through),
            cwd=Path("/"),  # the shared connection stays, and would keep a folder in use
            timeout=way.seconds,
            unset=way.unset,
            given=os.fsencode(text),
        )
    except OSError as error:
        if error.errno == errno.EPIPE:  # the shell around the appliance
            raise
        raise NoWayError(
            f"{way.through[0]} cannot be started ({error.strerror})",
            'install the program, or have your admin correct "through" of the scheduler',
        ) from error


def _mark() -> str:
    return f"relion-dispatch-{os.urandom(8).hex()}"


def _files(words: Sequence[str], folder: Path) -> dict[str, str]:
    """The files among the words, such as the job's script, and their sha256."""
    found = {}
    for word in words:
        if "/" in word:
            with suppress(OSError):
                content = read_file(folder / word, _LONGEST_FILE)
                found[word] = hashlib.sha256(content).hexdigest()
    return found


def _lacking(way: _Way, lacks: NotStarted) -> NoWayError:
    if lacks.lacks == "program":
        what = f'the program "{lacks.name}" is not found on {way.machine}'
        todo = "the scheduler's file must name the program by its full path"
    else:
        what = f"{way.machine} does not see the {lacks.lacks} {lacks.name} as it is here"
        todo = "the project's file system must be mounted on both machines in the same place"
    return NoWayError(what, todo, lacks.lacks)
