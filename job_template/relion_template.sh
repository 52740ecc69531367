#!/bin/bash
# The submission template to name in RELION_QSUB_TEMPLATE. RELION fills it in; relion-dispatch
# reads it and never runs it. If it is run as a job script, it says so in RELION's own window.
echo "RELION_QSUB_COMMAND must name relion_dispatch.py: this file is the input of relion_dispatch.py, not a job script." >> XXXerrfileXXX
touch XXXnameXXXRELION_JOB_EXIT_FAILURE
exit 64
outfile: XXXoutfileXXX
errfile: XXXerrfileXXX
queue: XXXqueueXXX
ranks: XXXmpinodesXXX
threads: XXXthreadsXXX
----- commands -----
XXXcommandXXX
----- end of commands -----
