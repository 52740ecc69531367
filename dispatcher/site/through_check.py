"""Do a scheduler's commands run on the other machine that the site names, and does it see the same
files?"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..config.scheduler import Scheduler
from ..config.site import Site
from ..scheduler.calls import call, has_program
from ..scheduler.no_way import NoWayError

__all__ = ["common_folder", "is_known_to_lack", "through_problems"]

_LATER = "run `relion-dispatch check` again later"
_LATE = 30  # seconds after which a file that was written there must be seen here


def through_problems(site: Site) -> Iterator[str]:
    """A sentence for each scheduler whose commands do not run there, or not well."""
    for name, scheduler in site.schedulers.items():
        if scheduler.through:
            try:
                with common_folder(scheduler) as folder:
                    found = [*_of_files(scheduler, folder), *_missing(scheduler, folder)]
            except NoWayError as error:
                found = [f"{error.what}: {error.todo or _LATER}"]
            except OSError as error:
                found = [f"{error}: {_LATER}"]
            except subprocess.TimeoutExpired:
                found = [f"{scheduler.through[-1]} did not answer: {_LATER}"]
            for each in found:
                yield f'Scheduler "{name}", key "through": {each}.'


@contextmanager
def common_folder(scheduler: Scheduler) -> Iterator[Path]:
    """A new folder, removed afterwards, that the machine where the scheduler's commands run sees.

    For another machine it is made in the working folder, or else in the home folder.

    Raises:
        NoWayError: that machine sees no such folder, or nothing can run there.
        subprocess.TimeoutExpired: nothing ran there in the scheduler's time.
    """
    with ExitStack() as stack:
        if scheduler.through:
            yield _common_folder(scheduler, stack)
        else:
            yield Path(stack.enter_context(tempfile.TemporaryDirectory()))


def _common_folder(scheduler: Scheduler, stack: ExitStack) -> Path:
    places = list(dict.fromkeys((Path.cwd(), Path.home())))
    for place in places:
        try:
            made = tempfile.TemporaryDirectory(prefix=".relion-dispatch-", dir=place)
        except OSError:
            continue
        folder = Path(stack.enter_context(made))
        try:
            has_program(scheduler, "sh", folder)
        except NoWayError as error:
            if error.lacks != "folder":
                raise
        else:
            return folder
    theirs = call(scheduler, ["id", "-u"], Path("/")).stdout.strip()
    if theirs != str(os.getuid()):
        raise NoWayError(*_another_user(scheduler, theirs))
    names = " and ".join(map(str, places))
    raise NoWayError(
        f"{scheduler.through[-1]} does not see what is in {names}",
        "mount the file system of the projects on both machines in the same place, and run "
        "`relion-dispatch check` in a folder of a project",
    )


def _of_files(scheduler: Scheduler, folder: Path) -> Iterator[str]:
    """What is wrong with a file that is written here and read there, and the other way round."""
    machine = scheduler.through[-1]
    here, there = folder / "here", folder / "there"
    here.write_text(f"{folder.name}\n")
    done = call(scheduler, ["sh", "-c", 'cat < "$1" > "$2"', "sh", str(here), str(there)], folder)
    if done.status != 0:
        yield f"{machine} cannot write in {folder.parent} ({' '.join(done.stderr.split())[:200]})"
        return
    give_up = time.monotonic() + _LATE
    while not there.exists():
        if time.monotonic() > give_up:
            yield f"what {machine} writes in {folder.parent} is not seen here after {_LATE} s"
            return
        time.sleep(0.2)
    owner = there.stat().st_uid
    if owner != here.stat().st_uid:
        yield ": ".join(_another_user(scheduler, str(owner)))


def _another_user(scheduler: Scheduler, theirs: str) -> tuple[str, str]:
    """What is wrong, and what to do next, in clauses."""
    machine = scheduler.through[-1]
    return (
        f"jobs would belong to another user ({machine}: uid {theirs}, here: uid {os.getuid()})",
        f"name the account of the same user, as USER@{machine.rpartition('@')[2]}",
    )


def _missing(scheduler: Scheduler, folder: Path) -> Iterator[str]:
    """The programs that are not found there, but for the submit command, which jobs may name."""
    commands = [scheduler.queue_command, scheduler.end_command, scheduler.cancel_command]
    commands += [scheduler.watcher.submit_command] if scheduler.watcher else []
    for program in dict.fromkeys(command[0] for command in commands if command):
        if program != scheduler.submit_command[0] and not has_program(scheduler, program, folder):
            yield (
                f'the program "{program}" is not found on {scheduler.through[-1]}: the '
                "scheduler's file must name the program by its full path"
            )


def is_known_to_lack(scheduler: Scheduler, program: str) -> bool:
    """Whether a program is missing where the scheduler's commands run; no if nobody can tell."""
    try:
        return not has_program(scheduler, program, Path("/"))
    except (OSError, subprocess.TimeoutExpired):
        return False
