#%Module
# relion-dispatch for Environment Modules; Lmod takes the file beside it that ends in .lua.
#   module use @PREFIX@/share/modulefiles; module load relion-dispatch
module-whatis "RELION's queue jobs in containers on this site's cluster (version @VERSION@)"
proc ModulesHelp { } {
    puts stderr "Sets the queue command and template of RELION's window, and puts relion-dispatch"
    puts stderr "in the PATH."
}
prepend-path PATH @PREFIX@/bin
prepend-path MANPATH @PREFIX@/share/man
append-path MANPATH {} ;# the system's own manual pages
setenv RELION_QSUB_COMMAND @PREFIX@/bin/relion_dispatch.py
setenv RELION_QSUB_TEMPLATE @PREFIX@/share/relion_template.sh
setenv RELION_QUEUE_USE Yes
