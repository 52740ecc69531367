"""RELION in its container, with the queue outside: ``relion-dispatch relion``.

RELION's image has no scheduler and perhaps no Python, so the queue command that RELION finds there
leaves requests in a private folder, and the launcher, this process, has them submitted on the host.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Thread

from ..config.site import Apptainer, Site
from ..errors import ImageError, SubmitError
from ..host import programs
from ..host.shown_streams import OutputLost
from ..images.container import missing_binds
from ..planning.window_variables import WindowVariables
from .container import session_argv, session_variables
from .folder import session_folder
from .processes import pass_on, send, session_pids
from .requests import answer_new, replies_wait
from .wake import signals_to_end, waiting

__all__ = ["run_session"]

# Seconds:
_TO_END = 5.0  # for RELION to end when told to, before all programs of the container are
_TO_CLEAN_UP = 2.0  # for these, before they are killed
_TO_SUBMIT = 10.0  # for submissions under way, when the session was told to end
_TO_FETCH = 1.0  # for a client to fetch its reply

_NOTHING_ADDED = WindowVariables()

_STILL_RUN = (
    "relion-dispatch: RELION has ended, but programs that it started (a schedule, a job, a window) "
    "still run and need this session. Ctrl-C ends them too."
)


def run_session(
    site: Site,
    image: Path,
    project: Path,
    command: Sequence[str],
    submit: Sequence[str],
    window: WindowVariables = _NOTHING_ADDED,
    gpu: bool | None = None,
) -> int:
    """Run `command` (none: RELION's GUI) in the image and have submitted what it wants to queue.

    Args:
        submit: the arguments that, before a script's path, dispatch it on the host.
        window: what RELION's window shows; the hook learns the fields of this very window.
        gpu: let GPUs through; if unset, when this machine has one.

    Returns:
        The exit status of `command`; 128 and the signal's number if a signal ended it.

    Raises:
        ImageError: there is no such image.
        SubmitError: Apptainer cannot be started.
        WriteError: the session's folder cannot be made.
    """
    if not image.exists():
        raise ImageError(
            f"The image {image} does not exist: ask your admin, or choose another image."
        )
    project = project.absolute()
    command = list(command) or ["relion"]
    variables = session_variables(os.environ, site.apptainer, window)
    for_apptainer = {f"APPTAINERENV_{name}": value for name, value in variables.items()}
    of_hook = window.laid_upon(os.environ)
    threads: list[Thread] = []
    with signals_to_end() as received, session_folder() as (folder, lock):

        def serve() -> None:
            threads[:] = [thread for thread in threads if thread.is_alive()]
            threads.extend(answer_new(folder, project, submit, of_hook))

        argv = session_argv(_here(site.apptainer), image, project, folder, command, gpu)
        try:
            container = programs.start(
                argv, variables=for_apptainer, hidden=site.apptainer.hidden, opened=(folder, lock)
            )
        except OSError as error:
            raise SubmitError(
                f"{argv[0]} cannot be started ({error.strerror}): load the module of Apptainer, or "
                'set "apptainer": {"program": …} in site.json to its full path.'
            ) from error
        try:
            with waiting(folder / "bell") as wait:
                status = _watch(container, folder, lock, received, serve, wait)
            _finish(threads, folder, received)
        finally:
            if container.poll() is None:
                container.terminate()
    if status == 127:
        missing = f"{command[0]}, or a program that it calls, is not in {image}"
        if command[0] == "relion":
            missing += ": ask your admin for a variant with RELION's window (NAME-gui)"
        print(f"relion-dispatch: status 127: {missing}.", file=sys.stderr)
    return status if status >= 0 else 128 - status


def _here(apptainer: Apptainer) -> Apptainer:
    """The settings without the folders that this machine lacks; says which."""
    missing = missing_binds(apptainer)
    for folder in missing:
        print(
            f"relion-dispatch: RELION's container does not see {folder}, because this folder is "
            'not on this machine: if RELION needs the folder, tell your admin ("bind" in site.json '
            "names it).",
            file=sys.stderr,
        )
    return replace(apptainer, bind=[each for each in apptainer.bind if each not in missing])


def _watch(
    container: programs.Started,
    folder: Path,
    lock: int,
    received: list[int],
    serve: Callable[[], None],
    wait: Callable[[], None],
) -> int:
    """Serve until the container has ended, and end it when told to; its exit status.

    RELION gets the signal that we got. After SIGTERM or SIGHUP, or when RELION itself has ended,
    the container's other programs follow.
    """
    heeded = 0  # of the signals received
    to_send: list[tuple[float, int]] = []  # to all programs: when, and which signal
    closed: float | None = None  # since when RELION's own program has ended
    told = False
    while container.poll() is None or (to_send and session_pids(folder, lock)):
        serve()
        now = time.monotonic()
        if closed is None and (folder / "status").exists():
            closed = now
        if closed is not None and not told and now > closed + 1:
            told = True
            with suppress(OSError, OutputLost):  # The terminal may be closed.
                print(_STILL_RUN, file=sys.stderr)
        for number in received[heeded:]:
            heeded += 1
            if closed is None:
                pass_on(number, container, folder, lock)
            if (closed is not None or number != signal.SIGINT) and not to_send:
                first = now if closed is not None else now + _TO_END
                to_send = [(first, signal.SIGTERM), (first + _TO_CLEAN_UP, signal.SIGKILL)]
        if to_send and now >= to_send[0][0]:
            _, number = to_send.pop(0)
            send(number, session_pids(folder, lock))
        wait()
    return container.wait()


def _finish(threads: list[Thread], folder: Path, received: list[int]) -> None:
    """Let submissions under way come to their end, and clients that survived hear of it."""
    ended = time.monotonic()
    while any(thread.is_alive() for thread in threads):
        if received and time.monotonic() > ended + _TO_SUBMIT:
            return
        time.sleep(0.02)
    answered = time.monotonic()
    while threads and replies_wait(folder) and time.monotonic() < answered + _TO_FETCH:
        time.sleep(0.02)
