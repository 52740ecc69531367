"""Hostile input goes to a child with the kernel's limits: two seconds of a processor, and memory.

Limits, not measured times: a machine that is busy fails no test.
"""

from __future__ import annotations

import json
import math
import os
import resource
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from dispatcher.errors import DispatchError

__all__ = ["sentence_within_limits", "sentences_within_limits"]

SECONDS = 2  # of a processor, for each call
MEMORY = 300 << 20  # bytes, for what this process has in memory and what the calls add
LEAST_MORE = 128 << 20  # bytes; this process has loaded the tests as well


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
                _limit_memory()
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


def _limit_memory() -> None:
    statm = Path("/proc/self/statm").read_text().split()
    mapped, resident = (int(pages) * os.sysconf("SC_PAGE_SIZE") for pages in statm[:2])
    most = mapped + max(MEMORY - resident, LEAST_MORE)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _said(call: Callable[[], object]) -> tuple[bool, str]:
    """Whether the call raised what it must not, and what it said."""
    seconds = math.ceil(time.process_time()) + SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))
    try:
        call()
    except DispatchError as error:
        return False, str(error)
    except BaseException:  # a MemoryError as well
        return True, traceback.format_exc()
    return False, ""
