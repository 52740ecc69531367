#!/bin/bash
# The submission template to name in RELION_QSUB_TEMPLATE. RELION fills it in; relion-dispatch
# reads it and never runs it. If it is run as a job script, it says so in RELION's own window.
printf '\n\n\n%s\n' 'relion-dispatch: RELION gave this job to another queue command: choose relion_dispatch.py in the Running tab ("Queue submit command"), and submit the job again.' >> XXXerrfileXXX
touch XXXnameXXXRELION_JOB_EXIT_FAILURE
exit 64
outfile: XXXoutfileXXX
errfile: XXXerrfileXXX
queue: XXXqueueXXX
ranks: XXXmpinodesXXX
threads: XXXthreadsXXX
extra1: XXXextra1XXX
extra2: XXXextra2XXX
extra3: XXXextra3XXX
extra4: XXXextra4XXX
extra5: XXXextra5XXX
extra6: XXXextra6XXX
extra7: XXXextra7XXX
extra8: XXXextra8XXX
extra9: XXXextra9XXX
extra10: XXXextra10XXX
----- commands -----
XXXcommandXXX
----- end of commands -----
