# shellcheck shell=bash disable=SC2154 # the job script makes the settings

# A clean environment in the container, except for the variables that the site allows. On several nodes the
# launcher of the ranks makes it.
clean_environment() {
    local name
    [ "$dispatch_nodes" -eq 1 ] || forget_limits_of_the_script
    [ -n "$dispatch_image" ] || return 0
    if [ "$dispatch_nodes" -gt 1 ]; then
        export PYTHONNOUSERSITE=1
        return
    fi
    for name in "${dispatch_environment[@]}"; do
        [ -z "${!name+set}" ] || export "APPTAINERENV_$name=${!name}"
    done
    export APPTAINERENV_PYTHONNOUSERSITE=1
}

# For a program with a window: the user's display.
let_display_through() {
    [ -z "${DISPLAY:-}" ] || export APPTAINERENV_DISPLAY="$DISPLAY"
    [ -z "${XAUTHORITY:-}" ] || export APPTAINERENV_XAUTHORITY="$XAUTHORITY"
}
