# shellcheck shell=bash disable=SC2154 # the job script makes the settings
# From which iteration a refinement can go on.
#
# At the end of an iteration RELION writes, with one process: ROOT_itNNN_optimiser.star first, then the maps (the
# references; 5: the moments of gradient refinement; 3.1: its gradients; BILD files), _model.star, _data.star,
# _sampling.star. Under MPI rank 1 writes the optimiser, half 1's maps and model and the sampling, rank 2 half 2's
# maps and model, rank 0 the data, all at once. Each file is written from its beginning to its end and closed before
# the next is opened, and none is renamed into its place: a file that is there need not be whole, and
# an optimiser.star says nothing of what it names. So:
#   - a star file is whole if it ends with RELION's blank line (a newline, a blank, a newline), which stands only
#     behind a table, if its last table is the last one of the same file of the run's other iterations (a file can be
#     cut between two tables, too), and if it has no NUL bytes (left by a node that crashed);
#   - a map is whole if its size is what its MRC header says.
# Sources: MlOptimiser::write, MlModel::write, Experiment::write, HealpixSampling::write, MetaDataTable::write,
# Image::writeMRC (3.1.4, 4.0.2, 5.0.1).

# The optimiser.star of the newest iteration that RELION has written whole, or nothing (status 1), of those
# newer than the file SINCE and from iteration LEAST on. ROOT is RELION's --o, seen from FOLDER as all names in star files
# are: the project's folder.
newest_whole_iteration() { # FOLDER ROOT SINCE LEAST
    local optimiser
    while IFS= read -r optimiser; do
        if is_whole_iteration "$1" "${optimiser#"$1/"}"; then
            printf '%s\n' "${optimiser#"$1/"}"
            return
        fi
    done < <(iterations_of "$1/$2" "$3" "$4" | sort -rV)
    return 1
}

# The optimiser files of a refinement that are newer than SINCE, from iteration LEAST on, in no order. One that a user
# continued has a root of its own: run_ct5_it006.
iterations_of() { # ROOT SINCE LEAST
    local file number
    for file in "$1"_it*_optimiser.star; do
        number=${file#"$1_it"} number=${number%_optimiser.star}
        [ -f "$file" ] && [ "$file" -nt "$2" ] && [[ $number =~ ^[0-9]+$ ]] && ((10#$number >= $3)) && printf '%s\n' "$file"
    done
    true
}

# The number of an iteration: 8 for run_it008_optimiser.star.
iteration_in() { # FILE
    local number=${1##*_it}
    number=${number%%_*}
    [[ ! $number =~ ^[0-9]{1,9}$ ]] || echo $((10#$number))
}

is_whole_iteration() { # FOLDER OPTIMISER
    local prefix=${2%_optimiser.star} named model models=() stars=()
    is_whole_star "$1/$2" || return
    mapfile -t models < <(star_values "$1/$2" rlnModelStarFile rlnModelStarFile2)
    mapfile -t stars < <(star_values "$1/$2" rlnExperimentalDataStarFile rlnOrientSamplingStarFile)
    [ "${#models[@]}" -gt 0 ] && [ "${#stars[@]}" = 2 ] || return
    for named in "${models[@]}" "${stars[@]}"; do
        # It names its own iteration's, and not those of another run.
        [[ $named == "$prefix"_* ]] || return
        is_whole_star "$1/$named" || return
    done
    for model in "${models[@]}"; do
        while IFS= read -r named; do
            is_whole_map "$1/$named" || return
        done < <(maps_of_model "$1/$model")
        # Maps that no star file names: the second half of the moments (5), which RELION reads as well.
        for named in "$1/${model%_model.star}"_*.mrc "$1/${model%_model.star}"_*.mrcs; do
            [ ! -e "$named" ] || is_whole_map "$named" || return
        done
    done
}

# The values of these labels in a table that is a list; a label that is not there, or is empty, gives nothing.
star_values() { # FILE LABEL…
    local file=$1
    shift
    awk -v labels=" $* " '/^_/ && NF == 2 && index(labels, " " substr($1, 2) " ") { print $2 }' "$file"
}

# The files of the references (classes or bodies) and their moments that a model.star names, once each.
maps_of_model() { # MODEL
    awk '
        /^data_/ { wanted = $1 ~ /^data_model_(classes|bodies)$/; split("", columns) }
        !wanted { next }
        /^_rln(ReferenceImage|GradMoment[12]|SGDGradientImage) / { columns[substr($2, 2)] }
        !/^(_|#|data_|loop_)/ && NF { for (c in columns) { sub(/^[0-9]+@/, "", $c); print $c } }
    ' "$1" | sort -u
}

is_whole_star() { # FILE
    local first
    is_whole_table "$1" || return
    first=$(same_file_of_first_iteration "$1")
    [ -z "$first" ] || [ "$(last_table "$1")" = "$(last_table "$first")" ]
}

is_whole_table() { # FILE
    [ "$(end_with_table "$1")" = yes ] && ! LC_ALL=C grep -qaP '\x00' "$1"
}

# Whether files end with RELION's blank line: yes or no, a line each. One program looks at many.
end_with_table() { # FILES…, each of 3 bytes at the least
    tail -qc 3 "$@" 2>/dev/null | od -An -v -w3 -tx1 | sed 's/^ 0a 20 0a$/yes/; t; s/.*/no/'
}

# ROOT_it000_model.star of ROOT_it012_model.star; RELION need not have written all files of iteration 0.
same_file_of_first_iteration() { # FILE
    local after=${1##*_it} file at
    after=${after#"${after%%[!0-9]*}"}
    for file in "${1%_it*}"_it*"$after"; do
        at=${file#"${1%_it*}_it"} at=${at%"$after"}
        [ "$file" != "$1" ] && [ -s "$file" ] && [[ $at =~ ^[0-9]+$ ]] && printf '%s\n' "$file"
    done | sort -V | head -n 1
}

last_table() { # FILE
    LC_ALL=C grep -a '^data_' "$1" | tail -n 1
}

# RELION writes maps of real numbers (mode 2), and with --float16 halves (12).
is_whole_map() { # FILE
    local header bytes
    read -ra header < <(od -An -v -w96 -td4 -N96 "$1" 2>/dev/null)
    [ "${#header[@]}" = 24 ] || return
    case ${header[3]} in 0) bytes=1 ;; 1 | 6 | 12) bytes=2 ;; 2) bytes=4 ;; *) return 1 ;; esac
    # Columns, rows and sections; a header of 1024 bytes, and what its 24th number says is behind it.
    [ "$(stat -c %s "$1")" = $((header[0] * header[1] * header[2] * bytes + 1024 + header[23])) ]
}

# What RELION had begun to write after that iteration goes: when the run goes on, files of two runs must not look
# like one whole iteration.
forget_later_iterations() { # FOLDER ROOT OPTIMISER SINCE
    local file number from=${3%_optimiser.star}
    from=${from##*_it}
    for file in "$1/$2"_it*; do
        number=${file#"$1/$2_it"} number=${number%%_*}
        [[ $number =~ ^[0-9]+$ ]] && ((10#$number > 10#$from)) && [ "$file" -nt "$4" ] && rm -f "$file"
    done
    true
}
