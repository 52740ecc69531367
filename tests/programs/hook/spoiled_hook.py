"""The hook in this process, spoiled on purpose: spoiled_hook.py PROBLEM WHERE SCRIPT

PROBLEM is the name of an exception, raised by the module WHERE when it is loaded, or (with a colon
in WHERE, as in MODULE:FUNCTION) by a function of ours; or it is ``signal``, sent to this process
before the WHEREth thing that Python's audit hooks see: a module that is loaded, a file that is
opened, a program that starts. ``storm`` sends more signals from then on, as long as this process
lives.
"""

from __future__ import annotations

import asyncio
import builtins
import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

sys.path.insert(0, str(Path(__file__).parents[3]))

problem, where, script = sys.argv[1:]
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
STORM = "while kill -TERM {0} && kill -HUP {0} && kill -INT {0}; do sleep 0.0005; done"


class PanicException(BaseException):
    """As a library in Rust raises it; this one cannot even be printed."""

    def __str__(self) -> str:
        raise PanicException


def fail(*_: object, **__: object) -> NoReturn:
    kinds = {"PanicException": PanicException, "CancelledError": asyncio.CancelledError}
    raise kinds.get(problem) or getattr(builtins, problem)


class Finder:
    """What Python asks first for a module."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: object = None) -> None:
        if name == where:
            fail()


def send_at_event() -> None:
    seen = 0

    def look(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if event not in ("import", "open", "subprocess.Popen", "os.rename", "os.remove"):
            return
        seen += 1
        if seen != int(where):
            return
        if problem == "storm":
            silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            subprocess.Popen(["sh", "-c", STORM.format(os.getpid())], **silent)
        os.kill(os.getpid(), SIGNALS[seen % len(SIGNALS)])

    sys.addaudithook(look)


from dispatcher.hook import main  # noqa: E402

for number in SIGNALS:  # as in what deploy/relion_dispatch.py starts
    signal.signal(number, signal.SIG_IGN)
if problem in ("signal", "storm"):
    send_at_event()
elif ":" in where:
    module, name = where.split(":")
    setattr(importlib.import_module(module), name, fail)
else:
    sys.meta_path.insert(0, Finder)  # type: ignore[arg-type]
sys.exit(main([script]))
