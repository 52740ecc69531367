"""Whether a process of this machine still runs, and since when."""

from __future__ import annotations

from pathlib import Path

__all__ = ["is_alive", "start_time"]


def start_time(pid: int) -> str:
    """Start time of a process, to detect PID reuse; empty if it has exited.

    In clock ticks since the machine booted (field 22 of ``/proc/PID/stat``, see proc(5)).
    """
    try:
        # "123 (a name) S 1 …": a name may hold blanks and parentheses; the state is field 3.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in ("Z", "X") else fields[19]


def is_alive(pid: int) -> bool:
    """Whether the process has not exited; a zombie has."""
    return bool(start_time(pid))
