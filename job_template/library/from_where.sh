# shellcheck shell=bash disable=SC2034,SC2154 # the job script makes the settings
# From where a job goes on. The commands of a later run are in the job script beside those of the first. runs.sh says what
# a run is.

# Makes all ready for the next command to go on: removes what the runs before have left half-written, and sets dispatch_from.
# That stays empty in the first run, and if the command has written nothing yet.
prepare_to_go_on() { # WAY (refine, unfinished), ROOT (what RELION's --o names; the job's folder), FIRST ITERATION
    local -; set +eu +o pipefail # these are the caller's
    dispatch_way=$1 dispatch_root=$2 dispatch_least=${3:-1} dispatch_from=''
    [ "$dispatch_run" -gt 1 ] && [ "$dispatch_at" -ge "$dispatch_done" ] || return 0
    case $1 in
    refine) prepare_iteration ;;
    unfinished) prepare_unfinished ;;
    esac
}

# A refinement goes on from the optimiser's file of the last whole iteration. RELION gives new names to all that follows
# if that file names the root that --o names; so this one is a copy, which spells it in another way.
prepare_iteration() {
    local found iteration
    found=$(newest_iteration)
    if [ -z "$found" ]; then
        say_from_where "from the beginning, as no iteration was finished from which RELION can go on"
        return
    fi
    forget_later_iterations "$dispatch_folder" "${dispatch_root##*/}" "$found" "$dispatch_folder/run_submit.script.lib"
    iteration=$(iteration_in "$found")
    dispatch_from=$dispatch_control/${found##*/}
    read_file "$found" | sed -E 's|^(_rlnOutputRootName +)|\1./|' >"$dispatch_kept/${found##*/}" || exit 1
    dispatch_from_iteration=$iteration
    note_in_lease from_iteration "$iteration"
    say_from_where "from iteration $iteration"
}

prepare_unfinished() {
    remove_half_written
    dispatch_from=yes
    say_from_where "with what is not finished"
}

say_from_where() { # WHERE
    local limits
    limits=$(limits_in_words)
    echo "relion-dispatch: Run $dispatch_run of the job goes on $1${limits:+; with $limits}."
}

# The optimiser's file of the last whole iteration that this submission has written.
newest_iteration() {
    newest_whole_iteration . "$dispatch_root" "$dispatch_folder/run_submit.script.lib" "${dispatch_least:-1}"
}
