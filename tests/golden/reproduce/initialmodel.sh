#!/bin/bash
# Runs InitialModel/job009 again: the same commands and inputs in the same image.
# Written by relion-dispatch 0.2.0; needs bash, GNU coreutils and Apptainer only.
#
# first run  dispatched 2026-11-24T10:36:24+00:00 by ada on node1, with relion-dispatch 0.2.0 and Apptainer 1.4.5
# image      relion 5.1.0 cuda
# note       RELION drew its random seed from the clock; --random_seed 1795516461 is the seed that RELION wrote to InitialModel/job009/run_it000_optimiser.star.
# note       The job needs 2 GPUs per node. GPUs add numbers in no fixed order, so maps may agree closely, but not bit for bit.
set -euo pipefail

project=/data/project
# The image may have moved: REPRODUCE_IMAGE=FILE bash SCRIPT
image=${REPRODUCE_IMAGE:-/data/site/relion-5.1.0-cuda.sif}
sha256=9256758f24c414f04aaa4e8d64c1b0156ac6848a981f23bd056b26cceb216643
apptainer=apptainer
first=InitialModel/job009
output=Reproduced/InitialModel/job009

say() { echo "reproduce: $*"; }
fail() { echo "reproduce: $*" >&2; exit 1; }

[ -z "${REPRODUCE_IMAGE-}" ] || image=$(realpath -m -- "$REPRODUCE_IMAGE")
cd "$project" || fail "the project's folder does not exist: $project"
command -v "$apptainer" > /dev/null || apptainer=apptainer
command -v "$apptainer" > /dev/null || fail "Apptainer is not found: install Apptainer, or load its module"
[ -z "$(ls -A -- "$output" 2> /dev/null)" ] || fail "the folder $output is not empty: rename the folder, and run this script again"

# Check that the image and the inputs are those of the first run.
digest() {
    local found
    found=$(sha256sum < "$1") && echo "${found%% *}"
}
same() { # FILE BYTES SHA256
    [[ -f $1 && -r $1 ]] || fail "cannot read the input $1"
    local bytes found
    bytes=$(stat -L -c %s -- "$1")
    [ "$bytes" = "$2" ] || fail "the input $1 has changed: it has $bytes bytes, and had $2 in the first run"
    found=$(digest "$1")
    [ "$found" = "$3" ] || fail "the input $1 has changed: its sha256 is $found, and was $3 in the first run"
}
say "checking the image $image"
[[ -f $image && -r $image ]] || fail "cannot read the image $image: name a copy in REPRODUCE_IMAGE"
found=$(digest "$image")
[ "$found" = "$sha256" ] || fail "the image $image has changed: its sha256 is $found, and was $sha256 in the first run"
say "checking the inputs"
same Select/job007/particles.star 187 237a36407ed5f482a7fdab155a08d310221c2009a0565efbace4950f1e70d718
# The files that these inputs name must exist, and must not be newer than the first run.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
touch -d @1795516584.999999999 "$work/dispatched"
while IFS= read -r file; do
    [ -e "$file" ] || fail "the input $file no longer exists"
    [ ! "$file" -nt "$work/dispatched" ] || fail "the input $file was written after the first run"
done << 'END_OF_NAMES'
Extract/job006/stack.mrcs
END_OF_NAMES

export CUDA_DEVICE_ORDER=PCI_BUS_ID
# The folders that the first run saw beside the project, as far as they are here.
bound_1=(--mount=type=bind,source=/scratch,destination=/scratch)
[ -e /scratch ] || { bound_1=(); say 'the commands do not see /scratch, because this folder is not on this machine'; }

mount_option() { # FOLDER
    local field word=--mount=type=bind
    [[ $1 == /* ]] || set -- "$PWD/$1"
    for field in "source=$1" "destination=$1"; do
        [[ $field != *[,\"]* ]] || field="\"${field//\"/\"\"}\""
        word+=,$field
    done
    echo "$word"
}
mount_options() { # FOLDER
    local own real
    own=$(realpath -ms -- "$1")
    real=$(realpath -e -- "$1" 2>/dev/null) || real=$own
    [[ $own == /dev/* ]] || mount_option "$1"
    [[ $real == "$own" || $real == /dev/* ]] || mount_option "$real"
}
scratch=/scratch
scratch_mounts=()
[ ! -d "$scratch" ] || mapfile -t scratch_mounts < <(mount_options "$scratch")

# In the container the variables that the first run's site let through, and no others.
dispatch_nodes=1 dispatch_image=$image
dispatch_environment=(RELION_STACK_BUFFER RELION_SHELL RELION_EXTERNAL_RECONSTRUCT_EXECUTABLE RELION_BLUSH_ARGS CUDA_VISIBLE_DEVICES CUDA_DEVICE_ORDER)
dispatch_for_apptainer=
clean_environment() {
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
clean_environment

# The project is read-only in the container, except for the new folder. The commands get no
# --pipeline_control, because RELION's pipeline must not learn of this run.
run() {
    "$@" < /dev/null >> "$output/run.out" 2>> "$output/run.err" ||
        fail "a command ended with status $?: read $output/run.err"
}
mkdir -p -- "$output"
say "running; RELION writes to $output/run.out and run.err"

run "$apptainer" --quiet exec --no-eval --cleanenv --nv ${bound_1[@]+"${bound_1[@]}"} \
        --pwd=/data/project \
        --mount=type=bind,source=/data/project,destination=/data/project,ro \
        --mount=type=bind,source=/data/project/Reproduced/InitialModel/job009,destination=/data/project/Reproduced/InitialModel/job009 \
        ${scratch_mounts[@]+"${scratch_mounts[@]}"} "$image" \
        relion_refine --o "$output"/run --iter 200 --grad --denovo_3dref --i Select/job007/particles.star \
        --ctf --K 1 --sym C1 --flatten_solvent --zero_mask --dont_combine_weights_via_disc --scratch_dir /scratch \
        --pool 3 --pad 1 --particle_diameter 200 --oversampling 1 --healpix_order 1 --offset_range 6 \
        --offset_step 2 --auto_sampling --tau2_fudge 4 --gpu 0,1 --j 16 --random_seed 1795516461

run rm -f "$output"/RELION_JOB_EXIT_SUCCESS

run "$apptainer" --quiet exec --no-eval --cleanenv --nv ${bound_1[@]+"${bound_1[@]}"} \
        --pwd=/data/project \
        --mount=type=bind,source=/data/project,destination=/data/project,ro \
        --mount=type=bind,source=/data/project/Reproduced/InitialModel/job009,destination=/data/project/Reproduced/InitialModel/job009 \
        ${scratch_mounts[@]+"${scratch_mounts[@]}"} "$image" \
        relion_align_symmetry --i "$output"/run_it200_model.star --o "$output"/initial_model.mrc --sym D2 \
        --apply_sym --select_largest_class

run touch "$output"/RELION_JOB_EXIT_SUCCESS

# Compare maps bit for bit, without the labels of an MRC header (bytes 225 to 1024), which contain the time.
content() { head -c 224 -- "$1"; tail -c +1025 -- "$1"; }
equal=0 different=0
for map in "$output"/*.mrc "$output"/*.mrcs; do
    before=$first/${map##*/}
    [[ -f $map && -f $before ]] || continue
    if cmp -s <(content "$map") <(content "$before"); then
        equal=$((equal + 1))
    else
        different=$((different + 1))
        say "this map differs from the map of the first run: $map"
    fi
done
say "done: maps that are the same bit for bit as in the first run: $equal; maps that differ: $different"
say "the results are in $output"
