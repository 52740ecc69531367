#!/bin/sh
# image_test.sh [gui=yes] [python=yes] [gpu=nvidia]
#   run inside an image, as every definition's %test does. Starts each RELION program that the
#   shipped job types use, and RELION over two MPI ranks. Names all that is wrong, then exits 1.
# image_test.sh --list VERSION [gui=yes] [python=yes]
#   prints the programs that an image of this RELION version must have.
set -u

# Each program with the RELION versions that have it (first-last, or first and all later), and what
# the image must have been built with. A test holds this against config/dispatch_config.json.
programs() {
    cat << 'END_OF_PROGRAMS'
3.1     relion_align_symmetry
3.1     relion_autopick
3.1     relion_autopick_mpi
3.1     relion_ctf_refine
3.1     relion_ctf_refine_mpi
3.1     relion_flex_analyse
3.1     relion_helix_toolbox
3.1     relion_image_handler
3.1     relion_import
3.1     relion_mask_create
3.1     relion_motion_refine
3.1     relion_motion_refine_mpi
3.1     relion_particle_subtract
3.1     relion_particle_subtract_mpi
3.1     relion_pipeliner
3.1     relion_postprocess
3.1     relion_postprocess_mpi
3.1     relion_preprocess
3.1     relion_preprocess_mpi
3.1     relion_project
3.1     relion_reconstruct
3.1     relion_reconstruct_mpi
3.1     relion_refine
3.1     relion_refine_mpi
3.1     relion_run_ctffind
3.1     relion_run_ctffind_mpi
3.1     relion_run_motioncorr
3.1     relion_run_motioncorr_mpi
3.1     relion_star_handler
3.1     relion_star_printtable
4.0     relion_class_ranker
4.0     relion_tomo_align
4.0     relion_tomo_align_mpi
4.0-4.0 relion_tomo_import_particles
4.0-4.0 relion_tomo_import_tomograms
4.0     relion_tomo_reconstruct_particle
4.0     relion_tomo_reconstruct_particle_mpi
4.0     relion_tomo_reconstruct_tomogram
5.0     relion_tomo_reconstruct_tomogram_mpi
4.0     relion_tomo_refine_ctf
4.0     relion_tomo_refine_ctf_mpi
4.0     relion_tomo_subtomo
4.0     relion_tomo_subtomo_mpi
5.0     relion_align_tiltseries
5.0     relion_align_tiltseries_mpi
5.0     relion_tomo_import_coordinates
5.1     relion_find_amyloid
5.1     relion_find_amyloid_mpi
3.1     relion gui
3.1     relion_display gui
3.1     relion_manualpick gui
5.0     relion_filament_selection python
5.0     relion_python_blush python
5.0     relion_python_classranker python
5.0     relion_python_dynamight python
5.0     relion_python_modelangelo python
5.0     relion_python_tomo_denoise python
5.0     relion_python_tomo_exclude_tilt_images python
5.0     relion_python_tomo_get_particle_poses python
5.0     relion_python_tomo_import python
5.0     relion_python_tomo_pick python
5.0     relion_python_topaz python
5.1     relion_python_trace_amyloids python
END_OF_PROGRAMS
}

minor_version() { echo "$1" | sed -E 's/^([0-9]+)\.([0-9]+).*/\1 \2/'; } # 5.0.1 -> 5 0

expected() { # VERSION; $gui and $python say yes or no
    programs | awk -v wanted="$(minor_version "$1")" -v gui="$gui" -v python="$python" '
        function number(text, part) { split(text, part, /[. ]/); return part[1] * 1000 + part[2] }
        {
            count = split($1, range, "-")
            if (number(wanted) < number(range[1])) next
            if (count == 2 && number(wanted) > number(range[2])) next
            if ($3 == "gui" && gui != "yes" || $3 == "python" && python != "yes") next
            print $2
        }'
}

fault() {
    echo "image test: $*" >&2
    faults=$((faults + 1))
}

# Never --version for Python's: Blush and the class ranker would fetch their weights.
start() { # PROGRAM
    case $1 in
        relion_python_* | relion_filament_selection) set -- "$1" --help ;;
        *) set -- "$1" --version ;;
    esac
    timeout 120 "$@" < /dev/null > "$1.out" 2>&1
    echo $? > "$1.status"
}

judge() { # PROGRAM
    path=$(command -v "$1") || { fault "$1 is missing"; return; }
    missing=$(ldd "$path" 2> /dev/null | awk '/not found/ { printf " %s", $1 }')
    [ -z "$missing" ] || { fault "$1 lacks the libraries$missing"; return; }
    status=$(cat "$1.status")
    # What they print counts. Some MPI programs want two ranks even for --version.
    if [ "$status" -ge 124 ] || ! grep -Eqi 'relion version|usage|at least two MPI' "$1.out"; then
        fault "$1 does not start (exit status $status): $(tail -n 3 "$1.out" | tr '\n' ' ')"
    fi
}

gui=no python=no gpu=none listed=''
while [ $# -gt 0 ]; do
    case $1 in
        --list) listed=${2:-}; shift ;;
        gui=* | python=* | gpu=*) eval "${1%%=*}=\${1#*=}" ;;
        *) echo "usage: $0 [--list VERSION] [gui=yes|no] [python=yes|no] [gpu=none|nvidia]" >&2; exit 2 ;;
    esac
    shift
done
[ -z "$listed" ] || { expected "$listed"; exit 0; }

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
faults=0
# Built with --fakeroot, this runs as root, which Open MPI refuses unless told twice.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export PRTE_ALLOW_RUN_AS_ROOT=1 PRTE_ALLOW_RUN_AS_ROOT_CONFIRM=1

relion_refine --version > built.out 2>&1
cat built.out
version=$(sed -n 's/^RELION version: \([0-9][0-9.]*\).*/\1/p' built.out)
[ -n "$version" ] || { fault "relion_refine --version names no version"; exit 1; }
for program in $(expected "$version"); do
    start "$program" &
done
wait
for program in $(expected "$version"); do
    judge "$program"
done

if grep -q CUDA-ACC built.out; then built_for=nvidia; else built_for=none; fi
[ "$gpu" = "$built_for" ] || fault "built for gpu=$gpu, but RELION says gpu=$built_for"

# RELION's job commands call `which`.
for program in which mpirun; do
    command -v "$program" > /dev/null || fault "$program is missing"
done
# The right mpirun is the one whose ranks find each other: RELION itself has to count to two.
timeout 120 mpirun -n 2 --oversubscribe --bind-to none \
    relion_run_ctffind_mpi --i absent.star --o . < /dev/null > ranks.out 2>&1
grep -Eq 'Number of MPI processes += 2$' ranks.out ||
    fault "mpirun -n 2 does not make two ranks of RELION: $(head -n 3 ranks.out | tr '\n' ' ')"

[ "$faults" -eq 0 ] || exit 1
echo "$(expected "$version" | wc -l) programs of RELION $version start, and so do two MPI ranks."
