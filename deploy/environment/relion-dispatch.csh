# relion-dispatch for csh and tcsh:  source @PREFIX@/share/relion-dispatch.csh
if ( ":${PATH}:" !~ "*:@PREFIX@/bin:*" ) setenv PATH "@PREFIX@/bin:${PATH}"
setenv RELION_QSUB_COMMAND "@PREFIX@/bin/relion_dispatch.py"
setenv RELION_QSUB_TEMPLATE "@PREFIX@/share/relion_template.sh"
setenv RELION_QUEUE_USE Yes
