"""Hostile input goes to a child with the kernel's limits: two seconds of a processor, and memory.

Limits, not measured times: a machine that is busy fails no test.
"""

from __future__ import annotations

import os
import resource
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from dispatcher.errors import DispatchError

__all__ = ["MEMORY", "SECONDS", "sentence_within_limits"]

SECONDS = 2  # of a processor
MEMORY = 300 << 20  # bytes, for what this process has in memory and what the call adds


def sentence_within_limits(call: Callable[[], object]) -> str:
    """The sentence with which the call refuses its input, '' if it takes the input.

    Fails if the call does anything else, or needs more than the limits.
    """
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        os._exit(_in_child(call, write_end))
    os.close(write_end)
    with os.fdopen(read_end, "rb") as stream:
        said = stream.read().decode()
    _, status = os.waitpid(child, 0)
    assert status == 0, f"status {status}: {said}"
    return said


def _in_child(call: Callable[[], object], write_end: int) -> int:
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
    most = taken + max(MEMORY - resident, 64 << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    said, status = "", 0
    try:
        call()
    except DispatchError as error:
        said = str(error)
    except BaseException:  # a MemoryError as well
        said, status = traceback.format_exc(), 1
    with os.fdopen(write_end, "wb") as stream:
        stream.write(said.encode(errors="surrogateescape"))
    sys.stdout.flush()
    return status
