"""The faults of docs/faults.md in their order, and where each is tried."""

from __future__ import annotations

__all__ = ["ALL", "COLUMNS", "CUTTING", "FAULTS", "PREEMPTING", "SLURM"]

LOCAL = ("local",)
SLURM = ("slurm-oldest", "slurm-newest")
ALL = (*SLURM, "gridengine", "pbs", "lsf")
PREEMPTING = (*SLURM, "gridengine")
CUTTING = (*LOCAL, *PREEMPTING)  # which cut jobs that go on: by a power cut, and by a preemption
COLUMNS = {
    "local": "local",
    "slurm-oldest": "Slurm, oldest",
    "slurm-newest": "Slurm, newest",
    "gridengine": "Grid Engine",
    "pbs": "PBS (stand-in)",
    "lsf": "LSF (stand-in)",
}

# The faults, and where each is tried. What never comes near a scheduler is tried on `local`.
FAULTS: dict[str, dict[str, tuple[str, ...]]] = {
    "The submission": {
        "submit command missing": ALL,
        "submit command refuses what can never run": ALL,
        "submit command hangs, without submitting (timeout 2 s, retry 8 s)": ALL,
        "submit command hangs, having submitted (timeout 3 s)": ALL,
        "submit command lies: prints an error, yet takes the job": ALL,
        "submit command is slow (6 s)": ALL,
        "server down at first during submission": ALL,
        "server down for good (retry 8 s)": ALL,
        "server takes the job after the submit command has given up": SLURM,
        "server takes a job that was given up (retry 4 s)": ALL,
        "same script submitted twice at the same moment": ALL,
        "scheduler takes the job twice, both start at the same moment": ALL,
        "200 submissions at once from two projects": ALL,
        # On Grid Engine it was not run to its end yet.
        "100 submissions at once, to a server that hears or answers two of three times": tuple(
            bed for bed in ALL if bed != "gridengine"
        ),
    },
    "The hook killed (kill -9)": {
        "hook killed while it plans, before there is a record": ALL,
        "hook killed before the job is in the queue": ALL,
        "hook killed when the job is in the queue": ALL,
        "hook killed at each of its steps": ALL,
    },
    "The job killed": {
        "a waiting job is cancelled in the scheduler": ALL,
        "a running job is cancelled in the scheduler": ALL,
        "time limit": ALL,
        "time limit of a script that hangs": ALL,
        "kill -9 of the batch shell": (*LOCAL, *ALL),
        "kill -9 of the whole job": ALL,
        "kill -9 of all shells of the job": LOCAL,
        "kill -9 of one rank": LOCAL,
        "kill -9 of all ranks": LOCAL,
        "node lost, with all its processes": ALL,
        "a program eats all memory that it may have (ulimit -v)": ALL,
    },
    "The job fails": {
        "missing particle stack": LOCAL,
        "corrupt map": LOCAL,
        "even ranks": LOCAL,
        "ranks as single processes": LOCAL,
        "failing command in the middle of four": ALL,
        "a program ends with a status that means something to Grid Engine (99, 100)": ALL,
        "image removed while the job waits": ALL,
        "disk of the job's folder is full at submission": LOCAL,
        "disk of the job's folder fills up while it runs": LOCAL,
        "disk of the job's folder has no room for more files": LOCAL,
        "scratch disk full": LOCAL,
    },
    "The job's folder": {
        "no file can be made at submission (tmpfs without inodes)": LOCAL,
        "no file can be made at submission (ext4 without inodes)": LOCAL,
        "no file can be made while it runs (ext4 without inodes)": LOCAL,
        "an earlier run's record cannot be read at submission (closed, or damaged)": ALL,
        "the record cannot be read at the job's end (closed, or damaged)": ALL,
        "the project's path is no UTF-8 (Apptainer enters no such folder)": ALL,
        "the project's path is no UTF-8, and the job is cancelled while it waits": ALL,
        "no locks at submission (simulated: ENOLCK, ENOSYS)": ALL,
        "no locks at the job's end (simulated: ENOLCK, ENOSYS)": ALL,
    },
    "Aborted in RELION": {
        "abort before it is submitted": ALL,
        "abort while it waits": ALL,
        "abort while it runs": (*LOCAL, *ALL),
    },
    "A job that goes on": {
        "cut while its first iteration runs": CUTTING,
        "cut twice in a row without progress": CUTTING,
        "disk full at the cut, and free again before the next run": CUTTING,
        "disk full from the cut on": PREEMPTING,
        "scheduler down at the cut, and back after 4 s": PREEMPTING,
        "scheduler down from the cut on (preemption that cancels)": SLURM,
        "scheduler down from the time limit on": PREEMPTING,
        "node lost while its programs live on": PREEMPTING,
        "node set to down by an admin": SLURM,
        "abort between two runs": CUTTING,
        "cancelled in the scheduler while the next run waits": PREEMPTING,
        "`relion-dispatch cancel` while the next run waits": CUTTING,
        "upgrade between two runs": CUTTING,
        "pin moved between two runs": CUTTING,
    },
}
