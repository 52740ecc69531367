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
# The fields of RELION's window, which follow from site.json: `relion-dispatch site environment`
set relion_dispatch_site = ""
if ( $?RELION_DISPATCH_SITE ) then
    set relion_dispatch_site = "$RELION_DISPATCH_SITE"
endif
if ( "$relion_dispatch_site" == "" ) set relion_dispatch_site = "@PREFIX@/etc/relion-dispatch"
if ( ! -d "$relion_dispatch_site" ) set relion_dispatch_site = "/etc/relion-dispatch"
if ( -r "$relion_dispatch_site/window/window.csh" ) source "$relion_dispatch_site/window/window.csh"
unset relion_dispatch_site
