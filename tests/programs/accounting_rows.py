"""Rows of Slurm's accounting, and what they say of the end of a job.

The first five were printed by Slurm 22.05's sacct on the test cluster; the others have the states
that its documentation, and that of 25.11, names.
"""

from __future__ import annotations

__all__ = ["ACCOUNTING_ROWS"]

# The row, the clause on the end (None if the job has not ended), and the job's state.
ACCOUNTING_ROWS: list[tuple[str, str | None, str]] = [
    (
        "17|CANCELLED by 1000|0:0|None|00:00:02|gpu1",
        "it was cancelled in the queue: submit the job again if you did not cancel it "
        "(JobState=CANCELLED, ExitCode=0:0, Reason=None, RunTime=00:00:02, NodeList=gpu1)",
        "CANCELLED",
    ),
    (
        "17|FAILED|3:0|None|00:00:01|gpu1",
        "its script failed: read the end of run.out and run.err, or ask your admin "
        "(JobState=FAILED, ExitCode=3:0, Reason=None, RunTime=00:00:01, NodeList=gpu1)",
        "FAILED",
    ),
    (
        "17|COMPLETED|0:0|None|00:00:03|gpu1",
        "its script could not write to the job's folder: free space on the disk or correct the "
        "folder's permissions, and submit the job again "
        "(JobState=COMPLETED, ExitCode=0:0, Reason=None, RunTime=00:00:03, NodeList=gpu1)",
        "COMPLETED",
    ),
    ("17|RUNNING|0:0|None|00:00:26|gpu1", None, "RUNNING"),
    ("17|PENDING|0:0|Dependency|00:00:00|None assigned", None, "PENDING"),
    (
        "17|OUT_OF_MEMORY|0:125|OutOfMemory|01:10:00|n1",
        'it used more memory than it had asked for: ask your admin to raise "mem" of the job type, '
        "or use fewer ranks "
        "(JobState=OUT_OF_MEMORY, ExitCode=0:125, Reason=OutOfMemory, RunTime=01:10:00, "
        "NodeList=n1)",
        "OUT_OF_MEMORY",
    ),
    (
        "17|TIMEOUT|0:0|TimeLimit|2-00:00:12|n[1-2]",
        "it reached its time limit: continue the job from its last iteration, or ask your admin to "
        'raise "time" of the job type '
        "(JobState=TIMEOUT, ExitCode=0:0, Reason=TimeLimit, RunTime=2-00:00:12, NodeList=n[1-2])",
        "TIMEOUT",
    ),
    (
        "17|FAILED|0:9||00:00:02|",
        "it was killed (signal KILL), by a person or because memory was used up: submit the job "
        "again, with more memory if memory was the cause "
        "(JobState=FAILED, ExitCode=0:9, RunTime=00:00:02)",
        "FAILED",
    ),
    ("17|REQUEUED|0:0|None|00:00:00|None assigned", None, "REQUEUED"),
    ("17|EXPEDITING|0:0|None|00:00:00|None assigned", None, "EXPEDITING"),
]
