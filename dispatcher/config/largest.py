"""The most that any job, node or image may have, whoever says so.

A slip of the pen must not cost hours.

RELION's window offers 64 ranks and 16 threads unless the site says otherwise (pipeline_jobs.cpp,
3.1 to 5.0). Every layout of ranks on nodes and GPUs is tried, so that these bound the time as well.
"""

__all__ = [
    "MOST_CORES",
    "MOST_GPUS",
    "MOST_LISTED",
    "MOST_NODES",
    "MOST_RANKS",
    "MOST_THREADS",
    "WIDEST",
]

MOST_RANKS = 4096
MOST_THREADS = 1024  # of each rank
MOST_NODES = 1024
MOST_GPUS = 128  # of each node; parts of a card that are given out apart count as GPUs
MOST_LISTED = 2 * MOST_GPUS  # devices in a list of GPUs; RELION repeats the list for further ranks
MOST_CORES = 10**6  # of each node

WIDEST = 65535  # pixels; RELION's SWAPTRIG: more means the other byte order, and never both fit
