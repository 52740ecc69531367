# shellcheck shell=bash disable=SC2034,SC2154 # the job script makes the settings
# What the programs write that do one input after the other, and go on with what is not finished. RELION gives an output
# the input's name, less the job of which that is: MotionCorr/job002/Movies/m1.mrc is of Movies/m1.tif, and
# MotionCorr/job002/m1.mrc of a movie in the project's folder itself.

# Those that have begun, a line each.
outputs() { files_written -size +0; }

# A kill cuts short the files that are being written, and a crash those of the last seconds; a node may be lost
# long before the others end. RELION would take such a file for finished, and leave its particles out, or fail. What is
# removed here is done once more. What somebody has saved in the folder since is not the programs'.
remove_half_written() {
    local ended in_time=() newest map file others
    ended=$(end_of_run_before)
    [ -z "$ended" ] || in_time=(! -newermt "@$((ended + 120))") # a file server may have it later
    newest=$(last_output "${in_time[@]}") others=$(files_of_others)
    [ -n "$newest" ] || return 0
    [ -z "$ended" ] || [ "$newest" -lt "$ended" ] || newest=$ended
    # Other files than these do not show it.
    files_written "${in_time[@]}" ! -name '*.star' ! -name '*.mrc' ! -name '*.mrcs' ! -name '*.eps' ! -name '*.log' \
        -newermt "@$((newest - 60))" -delete
    # Plots and logs do by their last line. They are not made again for a micrograph that is finished.
    while IFS= read -r -d '' file; do
        [ "$(tail -c 1 "$file" | od -An -tx1)" = ' 0a' ] || rm -f "$file"
    done < <(files_written "${in_time[@]}" '(' -name '*.eps' -o -name '*.log' ')' -newermt "@$((newest - 60))" -print0)
    files_written "${in_time[@]}" -name '*.star' -size -3c -delete
    cut_tables "${in_time[@]}" | xargs -0r rm -f
    while IFS= read -r -d '' map; do
        ! is_whole_map "$map" || continue
        # With its micrograph's other files, as a program may look for one of these alone.
        for file in "$map" "${map%.*}".* "${map%.*}"_*; do
            [ ! "$file" -nt "$dispatch_folder/run_submit.script.lib" ] || [[ $file =~ ^$others$ ]] || rm -f "$file"
        done
    done < <(files_written "${in_time[@]}" -name '*.mrc*' -newermt "@$((newest - 3600))" -print0)
}

# When the programs of the run before had ended, in seconds since 1970: its record was written then. Nothing if it has
# left its lease, as it could not end them.
end_of_run_before() {
    [ -e "$(lease_of $((dispatch_run - 1)))" ] || stat -c %Y "$(record_of $((dispatch_run - 1)))" 2>/dev/null
}

# Star files without RELION's blank line at their end, a NUL behind each.
cut_tables() { # TESTS…
    local files some whole at each
    mapfile -d '' files < <(files_written "$@" -name '*.star' -size +2c -print0)
    for ((at = 0; at < ${#files[@]}; at += 500)); do
        some=("${files[@]:at:500}")
        mapfile -t whole < <(end_with_table "${some[@]}")
        for each in "${!some[@]}"; do
            [ "${whole[each]:-}" = yes ] || printf '%s\0' "${some[each]}"
        done
    done
}

# When the last of them was written, in seconds since 1970.
last_output() { files_written "$@" -printf '%T@\n' | sort -n | tail -n 1 | cut -d. -f1; } # TESTS…

# The files that the programs of this submission have written, for find.
files_written() { # TESTS AND ACTIONS…
    find "$dispatch_folder/" -regextype posix-extended -type f -newer "$dispatch_folder/run_submit.script.lib" \
        ! -path '*/.dispatch*' ! -regex "$(files_of_others)" "$@"
}

# A pattern of the files in the job's folder that are RELION's, or our own.
files_of_others() {
    echo "$dispatch_folder/(\\.[^/]*|dispatch\\.[^/]*|run\\.(out|err)|run_submit\\.script[^/]*|(job|job_pipeline|default_pipeline)\\.star|note\\.txt|(RELION|PIPELINER)_[^/]*)"
}
