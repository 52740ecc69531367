# relion-dispatch for csh and tcsh:  source @PREFIX@/share/relion-dispatch.csh
if ( ":${PATH}:" !~ "*:@PREFIX@/bin:*" ) setenv PATH "@PREFIX@/bin:${PATH}"
# Manual pages: behind the last colon are the system's own.
if ( ! $?MANPATH ) setenv MANPATH ""
if ( ":${MANPATH}:" !~ "*:@PREFIX@/share/man:*" ) setenv MANPATH "@PREFIX@/share/man:${MANPATH}"
# Completion of commands, for those who type.
if ( $?tcsh && $?prompt ) source "@PREFIX@/share/tcsh/relion-dispatch.csh"
setenv RELION_QSUB_COMMAND "@PREFIX@/bin/relion_dispatch.py"
setenv RELION_QSUB_TEMPLATE "@PREFIX@/share/relion_template.sh"
setenv RELION_QUEUE_USE Yes
