"""Runs the commands it reads, one per line, and answers with what each took.

A line holds the arguments of one command, separated by tabs. The answer is a line with the
seconds it took, the peak memory in KiB of the largest process that it ran, and its exit status.
What the commands print goes to the file given as the only argument.

A process of its own because Linux counts the memory of the process that starts a program to that
program's peak: this one is smaller than any Python that has imported something. It also runs, as
``python3 -c`` with this text, inside containers.
"""

import os
import sys
import time

for line in sys.stdin:
    argv = line.rstrip("\n").split("\t")
    output = (os.POSIX_SPAWN_OPEN, 1, sys.argv[1], os.O_WRONLY | os.O_TRUNC, 0)
    errors = (os.POSIX_SPAWN_DUP2, 1, 2)
    start = time.perf_counter()
    child = os.posix_spawnp(argv[0], argv, os.environ, file_actions=[output, errors])
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - start
    print(seconds, usage.ru_maxrss, os.waitstatus_to_exitcode(status), flush=True)
