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
# The fields of RELION's window, which follow from site.json: `relion-dispatch site environment`.
# What was set is noted, so that it can be taken back when site.json says something else by then.
proc relionDispatchVariable { name } {
    if {[info exists ::env($name)]} { return $::env($name) }
    return ""
}
if {[module-info mode unload] || [module-info mode remove]} {
    foreach name [split [relionDispatchVariable RELION_DISPATCH_LOADED] :] { setenv $name "" }
    setenv RELION_DISPATCH_LOADED ""
} else {
    set site [relionDispatchVariable RELION_DISPATCH_SITE]
    if {$site eq ""} { set site @PREFIX@/etc/relion-dispatch }
    if {![file isdirectory $site]} { set site /etc/relion-dispatch }
    if {[file readable $site/window/window.txt]} {
        set window [open $site/window/window.txt]
        # Lmod takes UTF-8 from a module in any locale.
        if {[info exists ::ModuleTool] && $::ModuleTool eq "Lmod"} {
            fconfigure $window -encoding utf-8
        }
        set names {}
        while {[gets $window line] >= 0} {
            if {![regexp {^(\w+) (\w+) (.*)$} $line whole how name value]} continue
            if {$how eq "always" || ($how eq "default" && ![info exists ::env($name)])} {
                setenv $name $value
                lappend names $name
            }
        }
        close $window
        setenv RELION_DISPATCH_LOADED [join $names :]
    }
}
