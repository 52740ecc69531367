# shellcheck shell=bash disable=SC2154 # the job script makes the settings

# The container is as the site's configuration says. What the user's own variables would add to it, or to
# Apptainer's options, is forgotten; the container gets the variables that the site lets through. On several
# nodes the launcher of the ranks passes these on.
clean_environment() {
    local -; set +eu +o pipefail # these are the caller's
    local name harmless='^(APPTAINER|SINGULARITY)_(TMPDIR|CACHEDIR|CONFIGDIR|KEYSDIR|SYPGPDIR|NO_PRIVS)$'
    [ "$dispatch_nodes" -eq 1 ] || forget_limits_of_the_script
    [ -n "$dispatch_image" ] || return 0
    # A site's own base.sh.j2 of before does not tell what the site lists, so all of Apptainer's stays there.
    [ -z "${dispatch_for_apptainer+set}" ] || for name in "${!APPTAINER@}" "${!SINGULARITY@}"; do
        [[ " $dispatch_for_apptainer " == *" $name "* || $name =~ $harmless ]] || unset "$name"
    done
    for name in "${dispatch_environment[@]}"; do
        [ -z "${!name+set}" ] || export "APPTAINERENV_$name=${!name}"
    done
    unset LD_PRELOAD LD_AUDIT # Apptainer's own programs would load these libraries too
    export APPTAINERENV_PYTHONNOUSERSITE=1
    [ "$dispatch_nodes" -eq 1 ] || export PYTHONNOUSERSITE=1
}

# For a program with a window: the user's display.
let_display_through() {
    [ -z "${DISPLAY:-}" ] || export APPTAINERENV_DISPLAY="$DISPLAY"
    [ -z "${XAUTHORITY:-}" ] || export APPTAINERENV_XAUTHORITY="$XAUTHORITY"
}
