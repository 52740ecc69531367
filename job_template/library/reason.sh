# shellcheck shell=bash disable=SC2034,SC2154 # the job script makes the settings

# Ends the job with a sentence in run.err.
fail() { # SENTENCE
    dispatch_reason=$*
    exit 1
}

# Texts in run.out and run.err from before this run are not about this run.
remember_texts() {
    dispatch_out_before=$(stat -c %s "$dispatch_outfile" 2>/dev/null)
    dispatch_err_before=$(stat -c %s "$dispatch_errfile" 2>/dev/null)
}

# How many processes the kernel has killed because the job's memory was used up, if cgroups tell.
memory_kills() {
    local own
    own=$(sed -n 's/^0:://p; s/^[0-9]*:memory:/\/memory/p' /proc/self/cgroup | tail -n 1)
    sed -n 's/^oom_kill //p' "/sys/fs/cgroup$own/memory.events" "/sys/fs/cgroup$own/memory.oom_control"
} 2>/dev/null

# Whether a folder can be written to: prints what the system says if not. The status is the proof, because
# the loader (LD_PRELOAD) and the shell (a locale) may warn on the standard error of any program.
probe() { # FOLDER
    local said status=0
    said=$(export LC_ALL=C; exec 2>&1; head -c 4096 /dev/zero >"$1/.dispatch_probe") || status=$?
    rm -f "$1/.dispatch_probe"
    [ "$status" -eq 0 ] || echo "${said:-$1 cannot be written to}"
    return "$status"
}

# What this script has seen of the reason.
facts_seen() {
    printf '%s' "$dispatch_facts"
    [ "$(memory_kills)" = "$dispatch_kills_before" ] || echo "oom-kill"
    [ "$dispatch_kept" = /dev/null ] || probe "$dispatch_kept"
    ! open_scratch "$dispatch_scratch" || probe "$dispatch_opened" | sed 's/^/scratch: /'
}

# What the programs wrote in this run. Our own lines are no evidence, nor are those that say that something was passed
# over: of the loader and of Open MPI ("ignored"), warnings of any program, and what a shell says of the files that it
# reads when it starts.
texts_written() {
    local ours='^relion-dispatch: ' ignored='\(ignored\)|[:;,] ignor(ed|ing)[. ]*$|no version information available'
    local warning='(^[ +*]*|: |[[|] ?| - )(WARNING|WARN|INFO|VERBOSE|DEBUG)( *[]:!|]| - )|[a-z]Warning: '
    local startup='^([^ ]*sh: )?[^ ]*/(etc/(profile|bash|zsh|csh)|\.(bash|profile|zsh|csh))[^ ]*: '
    {
        [ -z "${dispatch_err_before:-}" ] || since "$dispatch_err_before" "$dispatch_errfile"
        [ -z "${dispatch_out_before:-}" ] || since "$dispatch_out_before" "$dispatch_outfile"
    } | tr -d '\0' | plain_lines | LC_ALL=C grep -aviE "$ours|$ignored|$warning|$startup"
}

# The last 60 kB of what was written to a file since it had so many bytes.
since() { # BYTES FILE
    local size
    open_file "$2" || return 0
    size=$(stat -Lc %s "$dispatch_opened")
    tail -c "+$((($1 > size - 60000 ? $1 : size - 60000) + 1))" "$dispatch_opened"
}

# The sentence of the first known ending whose pattern (for grep -E) is found in any of the texts, and, on another line,
# its kind if it has one.
known_cause() { # TEXTS…
    local pattern sentence kind
    while IFS= read -r pattern && IFS= read -r sentence && IFS= read -r kind; do
        printf '%s\n' "$@" | LC_ALL=C grep -aEiq -e "$pattern" || continue
        printf '%s\n' "$sentence" ${kind:+"$kind"}
        return 0 # a bare "return" gives the status from before a trap
    done < <(known_endings)
    return 1
}

lines_with() { printf '%s\n' "$2" | LC_ALL=C grep -aE -e "$1"; } # PATTERN TEXT

# Why the job failed: a sentence, and, on another line, the ending's kind if it has one. Beside the facts that this script
# has seen, three texts are looked through one after the other: the errors of programs; what the scheduler and MPI say of
# ranks and of signals; and all else, in which a program may speak of what did no harm. Behind the sentence stands the
# error that says most.
cause_and_kind() {
    local facts written errors kind said known sentence by_errors by_signals by_all
    local ranks status="exit status $dispatch_status"
    ranks="^($(starters_of_ranks))"
    facts=$(facts_seen 2>/dev/null) written=$(texts_written 2>/dev/null)
    errors=$(printf '%s\n' "$written" | program_said "${dispatch_program:-The job}")
    read -r kind said <<<"$errors"

    by_errors=$(
        # Patterns know the word with which Apptainer says that it gives up.
        sed '/^hint /d; s/^[a-z]* //; 1s/^Apptainer said: /FATAL: /' <<<"$errors"
        lines_with "^($(scheduler_that_ends_jobs)): |Number of MPI processes" "$written"
    )
    by_signals=$(
        lines_with "$ranks|on signal [0-9]|: Killed|Signal: |Segmentation fault|Bus error" "$written"
        [[ $dispatch_status != 13[579] ]] || echo "$status"
    )
    by_all=$written
    if [[ $kind = stopped ]]; then # of what was written before, nothing is the reason
        by_all=$(lines_with "$ranks|Number of MPI processes|MPI_ABORT|on signal" "$written")
    fi

    if known=$(known_cause "$facts" "$by_errors"); then
        :
    elif known=$(known_cause "$by_signals"); then
        [[ $kind != hint ]] || said='' # it may have done no harm
    elif ! known=$(known_cause "$status" "$by_all"); then
        known="${dispatch_program:-a step before the first program} ended with status $dispatch_status: {said}"
    fi
    sentence=${known%%$'\n'*}
    if [ -n "$said" ]; then
        echo "${sentence%": {said}"}. $said"
    else
        echo "${sentence/%"{said}"/read its last lines, above and in run.out}"
    fi
    [ "$sentence" = "$known" ] || echo "${known#*$'\n'}"
}

cause() { cause_and_kind | head -n 1; }

kind_of_cause() { cause_and_kind | sed -n 2p; }

# One plain sentence at the end of run.err. The reserve in the control folder makes room for it.
explain() {
    local took=$((SECONDS - ${dispatch_began:-SECONDS}))
    took=$(printf '%d:%02d:%02d' $((took / 3600)) $((took / 60 % 60)) $((took % 60)))
    if overtaken; then
        remove_control "${dispatch_control##*/}"
        say_overtaken
        return
    fi
    if [ -n "$dispatch_cut" ]; then
        say_that_it_goes_on
        remove_control "${dispatch_control##*/}"
        return
    fi
    if [ -n "$dispatch_reason" ]; then
        :
    elif [ "$dispatch_ending" = ABORTED ]; then
        dispatch_reason="The job was $(how_aborted) after $took${dispatch_overdue:+; its programs did not end by themselves within $dispatch_overdue s}."
    elif [ "$dispatch_ending" = FAILURE ]; then
        dispatch_reason="The job failed after $took, because $(cause).$(say_what_was_tried)"
    fi
    rm -f "$dispatch_kept/reserve"
    [ -z "$dispatch_reason" ] || { say_in_sight "$dispatch_reason" >&2; say_if_long "$dispatch_reason"; }
    remove_control "${dispatch_control##*/}" # last: while it is there, the sentence may be missing
}

# Who wanted the end. RELION's abort file is empty; `relion-dispatch cancel` makes one with a line in it.
how_aborted() {
    if [ ! -e "$dispatch_folder/RELION_JOB_ABORT_NOW" ]; then
        echo aborted
    elif [ "$(read_file "$dispatch_folder/RELION_JOB_ABORT_NOW" | head -c 100 | tr -d '\0')" = "relion-dispatch cancel" ]; then
        echo "cancelled with \`relion-dispatch cancel\`"
    else
        echo "aborted in RELION"
    fi
}
