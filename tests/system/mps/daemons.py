"""NVIDIA's control daemons and the keepers of a project's own jobs, and what the dead have left."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

__all__ = ["DAEMON", "daemons", "keeper_of", "keepers", "left_behind", "mps_folder"]

DAEMON = "nvidia-cuda-mps-control"


def daemons(folder: Path) -> set[int]:
    """The living control daemons that work in a project's folder, or in a folder below this one."""
    return {pid for pid, words in _working_in(folder) if words.endswith(f"{DAEMON} -f")}


def keepers(folder: Path) -> set[int]:
    """The same for the keepers, which start the daemons and end them."""
    return {pid for pid, words in _working_in(folder) if " keep_gpus " in words}


def _working_in(folder: Path) -> list[tuple[int, str]]:
    """The living processes of this user that work there, with their arguments."""
    done = subprocess.run(
        ["ps", "-ww", "-u", str(os.getuid()), "-o", "pid=,stat=,args="],
        capture_output=True,
        text=True,
    )
    rows = [row.split(maxsplit=2) for row in done.stdout.splitlines()]
    return [
        (int(pid), words)
        for pid, state, words in rows
        if not state.startswith("Z") and _place(int(pid)).is_relative_to(folder)
    ]


def _place(pid: int) -> Path:
    """Where a process works; nowhere if it has ended meanwhile."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink()
    except OSError:
        return Path("nowhere")


def left_behind() -> set[Path]:
    """The folders of daemons below /tmp whose owners, a job script and its keeper, are dead."""
    return {folder for folder in Path("/tmp").glob("relion-mps.*") if _is_of_the_dead(folder)}


def _is_of_the_dead(folder: Path) -> bool:
    try:
        owners = (folder / "owners").read_text().splitlines()
    except OSError:  # of another user, not yet there, or gone
        return False
    return not any(_lives(*owner.split()[:2]) for owner in owners)


def _lives(pid: str, began: str) -> bool:
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return state != "Z" and fields[18] == began


def mps_folder(daemon: int) -> Path:
    """A daemon's folder, from its environment."""
    for variable in Path(f"/proc/{daemon}/environ").read_text().split("\0"):
        name, _, value = variable.partition("=")
        if name == "CUDA_MPS_PIPE_DIRECTORY":
            return Path(value).parent
    raise AssertionError(f"{daemon} has no pipe folder")


def keeper_of(session: int) -> int:
    """The keeper that a job script started: its only child in another session."""
    done = subprocess.run(
        ["ps", "-o", "pid=,sid=", "--ppid", str(session)], capture_output=True, text=True
    )
    rows = (map(int, row.split()) for row in done.stdout.splitlines())
    (keeper,) = (pid for pid, sid in rows if sid != session)
    return keeper
