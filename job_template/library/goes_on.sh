# shellcheck shell=bash disable=SC2034,SC2154 # the job script makes the settings
# Whether a job goes on after a run was cut, and from where. The commands of a later run are in the job script beside
# those of the first. runs.sh says what a run is.

# From where the next command goes on. Sets dispatch_from; it stays empty in the first run, and if the command has written
# nothing yet. For a refinement it is the optimiser's file of the last whole iteration. RELION gives new names to
# all that follows if that file names the root that --o names; so this one is a copy, which spells it in another way.
goes_on_from() { # WAY (refine, unfinished), ROOT (what RELION's --o names; the job's folder), FIRST ITERATION
    local found iteration
    dispatch_way=$1 dispatch_root=$2 dispatch_least=${3:-1} dispatch_from=''
    [ "$dispatch_run" -gt 1 ] && [ "$dispatch_at" -ge "$dispatch_done" ] || return 0
    if [ "$1" = unfinished ]; then
        remove_half_written
        dispatch_from=yes
        say_from_where "with what is not finished"
        return
    fi
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

say_from_where() { # WHERE
    local rows
    rows=$(rows_in_words)
    echo "relion-dispatch: Run $dispatch_run of the job goes on $1${rows:+; with $rows}."
}

# The optimiser's file of the last whole iteration that this submission has written.
newest_iteration() {
    newest_whole_iteration . "$dispatch_root" "$dispatch_folder/run_submit.script.lib" "${dispatch_least:-1}"
}

# The number of an iteration: 8 for run_it008_optimiser.star.
iteration_in() { # FILE
    local number=${1##*_it}
    number=${number%%_*}
    [[ ! $number =~ ^[0-9]{1,9}$ ]] || echo $((10#$number))
}

# What the job has brought up to now, as a number that grows: commands that have ended well, then iterations or outputs.
reached() {
    local number=0
    case ${dispatch_way:-} in
    refine) number=$(iteration_in "$(newest_iteration)") ;;
    unfinished) number=$(outputs | wc -l) ;;
    esac
    echo $((dispatch_done * 1000000 + ${number:-0}))
}

# How many runs in a row have brought nothing new, the one that began with so much included.
idle_runs() { # BEGAN-WITH IDLE-BEFORE WHAT-ENDED-THE-LAST
    if [ "$(reached)" -gt "$1" ]; then
        echo 0
    elif is_full_memory "$3"; then
        echo "$2" # the next one is not the same again
    else
        echo $(($2 + 1))
    fi
}

# Counts what the runs before have brought, and ends the job if the last ones have brought nothing.
count_runs_before() {
    [ -z "${dispatch_counted:-}" ] || return 0
    dispatch_counted=yes
    [ "$dispatch_run" -gt 1 ] || return 0
    dispatch_idle_before=$(idle_runs "$dispatch_began_with" "$dispatch_idle_before" "${dispatch_why_before:-}")
    dispatch_began_with=$(reached)
    note_in_lease began_with "$dispatch_began_with"
    note_in_lease idle_before "$dispatch_idle_before"
    [ "$dispatch_idle_before" -lt "$dispatch_gives_up_after" ] || fail "$(why_given_up "$dispatch_idle_before")"
}

# What a program writes for each of its inputs, below the job's folder.
outputs() { written_below -size +0; }

# A kill cuts short the files that are being written, and a crash those of the last seconds; a node may be lost
# long before the others end. RELION would take such a file for finished, and leave its particles out, or fail. What is
# removed here is done once more.
remove_half_written() {
    local newest map file
    newest=$(last_output)
    [ -n "$newest" ] || return 0
    # Other files than these do not show it.
    written_below ! -name '*.star' ! -name '*.mrc' ! -name '*.mrcs' -newermt "@$((newest - 60))" -delete
    written_below -name '*.star' -size -3c -delete
    unfinished_tables | tr '\n' '\0' | xargs -0r rm -f
    while IFS= read -r -d '' map; do
        ! is_whole_map "$map" || continue
        # With its micrograph's other files, as a program may look for one of these alone.
        for file in "$map" "${map%.*}".* "${map%.*}"_*; do
            [ ! "$file" -nt "$dispatch_folder/run_submit.script.lib" ] || rm -f "$file"
        done
    done < <(written_below -name '*.mrc*' -newermt "@$((newest - 3600))" -print0)
}

# Star files without RELION's empty line at their end, a line each: one program looks at many.
unfinished_tables() {
    written_below -name '*.star' ! -path $'*[\n\t]*' -print0 |
        xargs -0r -n 500 bash -c 'paste <(tail -qc 3 "$@" | od -An -v -w3 -tx1) <(printf "%s\n" "$@")' - |
        sed -n '/^ 0a 20 0a\t/!s/^[^\t]*\t//p'
}

# When the last of them was written, in seconds since 1970.
last_output() { written_below -printf '%T@\n' | sort -n | tail -n 1 | cut -d. -f1; }

# The files below the job's folder that this submission has written, for find.
written_below() { # TESTS AND ACTIONS…
    find "$dispatch_folder/" -mindepth 2 -type f ! -path '*/.dispatch*' -newer "$dispatch_folder/run_submit.script.lib" "$@"
}

# Why a job that could go on does not: sentences for run.err.
why_no_more() {
    echo "The job does not go on, because it has gone on $dispatch_goes_on_at_most times, which is the most that the site allows: continue the job in RELION, or ask your admin to raise \"at_most\" of \"goes_on\"."
}
why_given_up() { # RUNS
    local brought="a new iteration"
    [ "${dispatch_way:-}" != unfinished ] || brought="a new output"
    echo "The job does not go on, because its last $1 runs ended without $brought: ask your admin to raise \"time\" of the job type if the time limit is too short for one, and continue the job in RELION."
}

# Why this run is cut, if the job goes on after it: sets dispatch_cut. If it could go on but does not, dispatch_reason.
learn_why_cut() { # SIGNAL; 0 if a program has failed
    local why=lost_node
    may_have_runs && [ -z "$dispatch_reason" ] && ! wants_abort && ! relion_was_told && ! overtaken || return 0
    [ -n "${dispatch_lost_lease:-}" ] || why=$(why_it_ends "$1")
    if [ -z "$why" ] && [ "$1" -eq 0 ]; then
        go_on_with_less
        return 0
    fi
    { [ -n "$why" ] && survives "$why"; } || return 0
    if [ "$dispatch_run" -gt "$dispatch_goes_on_at_most" ]; then
        dispatch_reason=$(why_no_more)
    else
        dispatch_cut=$why
    fi
}

# Once the programs have ended, which may not wait until many files are read: whether the run has brought anything. A run
# that was cut before its first program could bring nothing.
give_up_if_idle() {
    local idle
    [ -n "$dispatch_cut" ] && [ -n "${dispatch_counted:-}" ] || return 0
    idle=$(idle_runs "$dispatch_began_with" "$dispatch_idle_before" "$dispatch_cut")
    [ "$idle" -ge "$dispatch_gives_up_after" ] || return 0
    dispatch_cut='' dispatch_reason=$(why_given_up "$idle")
}

# What cut a run, in words.
cut_in_words() { # WHAT
    case $1 in
    time_limit) echo "reached its time limit" ;;
    preemption) echo "gave way to a job of higher priority" ;;
    lost_node) echo "could not reach the job's folder, or its machine stops" ;;
    gpu_memory) echo "filled the memory of a GPU" ;;
    host_memory) echo "filled the memory that the job has" ;;
    esac
}

# Tells in run.out that the job goes on: an error in run.err would be in sight in RELION's window.
say_that_it_goes_on() {
    local iteration
    iteration=$(iteration_in "$(newest_iteration)")
    [ "${dispatch_way:-}" = refine ] && [ -n "$iteration" ] || iteration=0
    [ "$iteration" -eq 0 ] || dispatch_to_iteration=$iteration
    dispatch_reason="Run $dispatch_run of the job $(cut_in_words "$dispatch_cut")${dispatch_to_iteration:+ after iteration $dispatch_to_iteration}: the job goes on by itself${dispatch_next:+, $dispatch_next}."
    # RELION draws a bar, and has no time to end its line.
    ! open_file "$dispatch_outfile" || [ -z "$(tail -c 1 "$dispatch_opened" | tr -d '\0')" ] || echo
    echo "relion-dispatch: $dispatch_reason"
}

# Has the scheduler start the next run, unless it has begun; behind a full memory the next one takes this one's place. If
# that cannot be, the job has failed.
go_on() {
    local who="its scheduler did not take the next run, or the job was cancelled"
    end_lease
    ! is_run_again || return 0
    if is_full_memory "$dispatch_cut"; then
        begin_next_run
        who="its next run could not be started on $dispatch_host"
    elif start_next_run || is_run_again; then
        return 0
    fi
    rm -f "$(record_of "$dispatch_run")"
    dispatch_cut='' dispatch_reason="The job does not go on, because $who: continue the job in RELION, or show this line to your admin."
    tell_relion
    say_in_sight "$dispatch_reason" >&2
    write_run 2>/dev/null
}
