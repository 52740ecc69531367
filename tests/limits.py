"""What one input may take: two seconds of a processor, and 300 MB more than before it.

The kernel looks after both. These are limits, not measured times. A machine whose cores are shared
needs up to twice the seconds for the same work, so that is what ends an input: a machine that is
busy fails no test. Hostile input of the unit tests goes to a child with these limits.
"""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from dispatcher.errors import DispatchError

__all__ = [
    "MEMORY",
    "SECONDS",
    "limit_memory",
    "sentence_within_limits",
    "sentences_within_limits",
]

SECONDS = 2  # of a processor, for each input
_BUSY = 2  # as many times that on a machine whose cores are shared
MEMORY = 300_000_000  # bytes, beside what the process has when the input comes


def sentence_within_limits(call: Callable[[], object]) -> str:
    """The sentence with which the call refuses its input, '' if it takes the input.

    Fails if the call does anything else, or needs more than the limits.
    """
    (said,) = sentences_within_limits([call])
    return said


def sentences_within_limits(calls: Sequence[Callable[[], object]]) -> list[str]:
    """The same for several calls, one after the other in one child."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        try:
            with os.fdopen(write_end, "w") as stream:
                limit_memory()
                resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
                # The hook catches it, and a test before may have called the hook in this process.
                signal.signal(signal.SIGXCPU, signal.SIG_DFL)
                for call in calls:
                    print(json.dumps(_said(call)), file=stream, flush=True)
        finally:
            os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as stream:
        told = [json.loads(line) for line in stream]
    _, status = os.waitpid(child, 0)
    assert len(told) == len(calls), f"call {len(told)} ended the process (status {status})"
    for number, (raised, said) in enumerate(told):
        assert not raised, f"call {number}: {said}"
    return [said for _, said in told]


def limit_memory() -> tuple[int, int]:
    """Let this process have MEMORY more than it has now; return the limits (RLIMIT_AS) before."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + MEMORY, before[1]))
    return before


def _said(call: Callable[[], object]) -> tuple[bool, str]:
    """Whether the call raised what it must not, and what it said."""
    seconds = math.ceil(time.process_time()) + _BUSY * SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))
    try:
        call()
    except DispatchError as error:
        return False, str(error)
    except BaseException:  # a MemoryError as well
        return True, traceback.format_exc()
    return False, ""
