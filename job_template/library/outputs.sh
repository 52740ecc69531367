# shellcheck shell=bash disable=SC2034,SC2154 # the job script makes the settings
# What the programs write that do one input after the other, and go on with what is not finished.

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
    written_below ! -name '*.star' ! -name '*.mrc' ! -name '*.mrcs' ! -name '*.eps' ! -name '*.log' \
        -newermt "@$((newest - 60))" -delete
    # Plots and logs do by their last line. They are not made again for a micrograph that is finished.
    while IFS= read -r -d '' file; do
        [ "$(tail -c 1 "$file" | od -An -tx1)" = ' 0a' ] || rm -f "$file"
    done < <(written_below '(' -name '*.eps' -o -name '*.log' ')' -newermt "@$((newest - 60))" -print0)
    written_below -name '*.star' -size -3c -delete
    cut_tables | xargs -0r rm -f
    while IFS= read -r -d '' map; do
        ! is_whole_map "$map" || continue
        # With its micrograph's other files, as a program may look for one of these alone.
        for file in "$map" "${map%.*}".* "${map%.*}"_*; do
            [ ! "$file" -nt "$dispatch_folder/run_submit.script.lib" ] || rm -f "$file"
        done
    done < <(written_below -name '*.mrc*' -newermt "@$((newest - 3600))" -print0)
}

# Star files without RELION's blank line at their end, a NUL behind each.
cut_tables() {
    local files some whole at each
    mapfile -d '' files < <(written_below -name '*.star' -size +2c -print0)
    for ((at = 0; at < ${#files[@]}; at += 500)); do
        some=("${files[@]:at:500}")
        mapfile -t whole < <(end_with_table "${some[@]}")
        for each in "${!some[@]}"; do
            [ "${whole[each]:-}" = yes ] || printf '%s\0' "${some[each]}"
        done
    done
}

# When the last of them was written, in seconds since 1970.
last_output() { written_below -printf '%T@\n' | sort -n | tail -n 1 | cut -d. -f1; }

# The files below the job's folder that this submission has written, for find.
written_below() { # TESTS AND ACTIONS…
    find "$dispatch_folder/" -mindepth 2 -type f ! -path '*/.dispatch*' -newer "$dispatch_folder/run_submit.script.lib" "$@"
}
