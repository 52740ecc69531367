-- relion-dispatch for Lmod:  module use @PREFIX@/share/modulefiles; module load relion-dispatch
whatis("Version: @VERSION@")
whatis("Description: RELION's queue jobs in containers on this site's cluster")
help([[
Sets the queue command and template of RELION's window, and puts relion-dispatch in the PATH.
]])
prepend_path("PATH", "@PREFIX@/bin")
prepend_path("MANPATH", "@PREFIX@/share/man")
append_path("MANPATH", "") -- the system's own manual pages
setenv("RELION_QSUB_COMMAND", "@PREFIX@/bin/relion_dispatch.py")
setenv("RELION_QSUB_TEMPLATE", "@PREFIX@/share/relion_template.sh")
setenv("RELION_QUEUE_USE", "Yes")
