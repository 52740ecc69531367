"""The hook in this process, killed before its Nth step: killed_hook.py N SCRIPT

A step is what others can see: a file that it writes, renames or removes in the job's folder, and a
program that it starts. Each is written to standard error, one a line. With N 0 nothing is killed.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

last, script = int(sys.argv[1]), sys.argv[2]
folder = str(Path(script).absolute().parent)
steps = 0


def watch(event: str, arguments: tuple[object, ...]) -> None:
    """Called by Python before it does what the event says.

    A name without a folder is one in a folder that is open: the job's or the project's.
    """
    global steps
    paths = [str(each) for each in arguments[:2] if isinstance(each, str | Path)]
    in_folder = any(folder in path or "/" not in path for path in paths)
    if event == "open":
        flags = arguments[2]
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)
        seen = bool(writes) and in_folder
    elif event in ("os.rename", "os.remove", "os.symlink", "os.link", "os.mkdir"):
        seen = in_folder
    else:
        seen = event == "subprocess.Popen"
        if seen and isinstance(arguments[1], list):
            paths = [str(word).replace("\n", " ") for word in arguments[1]]
    if not seen:
        return
    steps += 1
    os.write(2, f"{event} {' '.join(paths)}\n".encode(errors="backslashreplace"))
    if steps == last:
        os.kill(os.getpid(), signal.SIGKILL)


def hook() -> int:
    """The hook; its modules, too, are loaded under watch."""
    from dispatcher.hook import main

    return main([script])


sys.addaudithook(watch)
sys.exit(hook())
