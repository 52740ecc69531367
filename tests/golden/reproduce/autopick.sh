#!/bin/bash
# Runs AutoPick/job009 again: the same commands and inputs in the same image.
# Written by relion-dispatch 0.2.0; needs bash, GNU coreutils and Apptainer only.
#
# first run  dispatched 2026-11-24T10:36:24+00:00 by ada on node1, with relion-dispatch 0.2.0 and Apptainer 1.4.5
# image      relion 5.1.0 cuda
# note       The job needs 4 GPUs per node. GPUs add numbers in no fixed order, so maps may agree closely, but not bit for bit.
set -euo pipefail

project=/data/project
# The image may have moved: REPRODUCE_IMAGE=FILE bash SCRIPT
image=${REPRODUCE_IMAGE:-/data/site/relion-5.1.0-cuda.sif}
sha256=9256758f24c414f04aaa4e8d64c1b0156ac6848a981f23bd056b26cceb216643
apptainer=apptainer
first=AutoPick/job009
output=Reproduced/AutoPick/job009

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

export CUDA_DEVICE_ORDER=PCI_BUS_ID
# The folders that the first run saw beside the project, as far as they are here.
bound_1=(--mount=type=bind,source=/scratch,destination=/scratch)
[ -e /scratch ] || { bound_1=(); say 'the commands do not see /scratch, because this folder is not on this machine'; }

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
        --mount=type=bind,source=/data/project/Reproduced/AutoPick/job009,destination=/data/project/Reproduced/AutoPick/job009 \
        "$image" \
        mpirun --bind-to none --oversubscribe -n 8 \
        relion_autopick_mpi --i CtfFind/job003/micrographs_ctf.star --odir "$output"/ --pickname autopick \
        --ref refs.star --invert --ctf --ang 5 --shrink 0 --lowpass 20 --threshold 0.05 --min_distance 100 \
        --max_stddev_noise 1.1 --only_do_unfinished --gpu 0:1:2:3:0:1:2:3

echo CtfFind/job003/micrographs_ctf.star > "$output"/coords_suffix_autopick.star

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
