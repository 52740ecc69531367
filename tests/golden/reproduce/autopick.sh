#!/bin/bash
# Runs AutoPick/job009 again: the same commands and inputs in the same image.
# Written by relion-dispatch 0.2.0; needs bash, GNU coreutils and Apptainer only.
#
# first run  dispatched 2026-11-24T10:36:24+00:00 by ada on node1, with relion-dispatch 0.2.0 and Apptainer 1.4.5
# image      relion 5.1.0 cuda
# note       The job needs 4 GPUs per node. GPUs add numbers in no fixed order, so maps may agree closely, but not bit for bit.
set -euo pipefail

dispatch_project=/data/project
# The image may have moved: REPRODUCE_IMAGE=FILE bash SCRIPT
dispatch_image=/data/site/relion-5.1.0-cuda.sif
dispatch_sha256=9256758f24c414f04aaa4e8d64c1b0156ac6848a981f23bd056b26cceb216643
dispatch_apptainer=apptainer
dispatch_first=AutoPick/job009
dispatch_output=Reproduced/AutoPick/job009

say() { # What would act on a terminal is shown as ?, signs that change the direction of text too (as UTF-8).
    printf 'reproduce: %s\n' "${*//[![:print:]]/?}" |
        LC_ALL=C sed -E 's/\xd8\x9c|\xe2\x80[\x8b-\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]|\xef\xbb\xbf/?/g'
}
fail() { say "$@" >&2; exit 1; }
dispatch_work='' dispatch_new=''
trap 'rm -rf -- "$dispatch_work" "$dispatch_new"' EXIT

[ -z "${REPRODUCE_IMAGE-}" ] || dispatch_image=$(realpath -m -- "$REPRODUCE_IMAGE")
cd -P -- "$dispatch_project" || fail "the project's folder does not exist: $dispatch_project"
command -v "$dispatch_apptainer" > /dev/null || dispatch_apptainer=apptainer
command -v "$dispatch_apptainer" > /dev/null || fail "Apptainer is not found: install Apptainer, or load its module"
[ -z "$(ls -A -- "$dispatch_output" 2> /dev/null)" ] || fail "the folder $dispatch_output is not empty: rename the folder, and run this script again"

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
say "checking the image $dispatch_image"
[[ -f $dispatch_image && -r $dispatch_image ]] || fail "cannot read the image $dispatch_image: name a copy in REPRODUCE_IMAGE"
dispatch_found=$(digest "$dispatch_image")
[ "$dispatch_found" = "$dispatch_sha256" ] || fail "the image $dispatch_image has changed: its sha256 is $dispatch_found, and was $dispatch_sha256 in the first run"
say "checking the inputs"

export CUDA_DEVICE_ORDER=PCI_BUS_ID
# In the container the variables that the first run's site let through, and no others.
dispatch_nodes=1
dispatch_environment=(RELION_STACK_BUFFER RELION_SHELL RELION_EXTERNAL_RECONSTRUCT_EXECUTABLE RELION_BLUSH_ARGS CUDA_VISIBLE_DEVICES CUDA_DEVICE_ORDER)
dispatch_for_apptainer=
clean_environment() {
    local -; set +eu +o pipefail # these are the caller's
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

# The container, as this site starts one. It sees the folders that the first run saw, as far as they are here.
# Your home and the project are read-only in it, except for the new folder.
dispatch_container=(--nv --pwd=/data/project)
add_mount() { # FOLDER DESTINATION [,ro]
    local at destination=",\"destination=${2//\"/\"\"}\""
    for at in "${!dispatch_container[@]}"; do # of two at one place Apptainer would take the first
        case ${dispatch_container[at]} in *"$destination" | *"$destination,ro") unset "dispatch_container[at]" ;; esac
    done
    dispatch_container+=("--mount=type=bind,\"source=${1//\"/\"\"}\"$destination${3-}")
}
add_folder() { # FOLDER [,ro]
    local own real
    own=$(realpath -ms -- "$1") real=$(realpath -m -- "$1")
    [[ $own == /dev/* ]] || add_mount "$own" "$own" "${2-}"
    [[ $real == "$own" || $real == /dev/* ]] || add_mount "$real" "$real" "${2-}"
}
if [ -e /scratch ]; then
    add_mount /scratch /scratch
else
    say /scratch "is not on this machine: the commands do not see this folder"
fi
dispatch_home=$(unset HOME; echo ~)
[ ! -d "$dispatch_home" ] || [ "$dispatch_home" = / ] || add_folder "$dispatch_home" ,ro
add_mount "$dispatch_project" /data/project ,ro
add_mount /data/project/Reproduced/AutoPick/job009 /data/project/Reproduced/AutoPick/job009
dispatch_container+=("$dispatch_image")

# The commands get no --pipeline_control, because RELION's pipeline must not learn of this run.
run() {
    "$@" >&3 2>&4 3>&- 4>&- || fail "a command ended with status $?: read $dispatch_output/run.err"
}
in_its_place() { # No link of the project may lead the results to another place.
    local real='' place=$dispatch_output
    [[ $place == /* ]] || place=${PWD%/}/$place
    IFS= read -r -d '' real < <(realpath -mz -- "$place") || :
    [ "$real" = "$place" ] || fail "a link leads from $place to $real: rename the link, and run this script again"
}
in_its_place
mkdir -p -- "$dispatch_output"
in_its_place
set -C # run.out and run.err are new
exec < /dev/null 3> "$dispatch_output/run.out" 4> "$dispatch_output/run.err"
say "running; RELION writes to $dispatch_output/run.out and run.err"

run "$dispatch_apptainer" --quiet exec --no-eval --cleanenv "${dispatch_container[@]}" \
        mpirun --bind-to none --oversubscribe -n 8 \
        relion_autopick_mpi --i CtfFind/job003/micrographs_ctf.star --odir "$dispatch_output"/ --pickname autopick \
        --ref refs.star --invert --ctf --ang 5 --shrink 0 --lowpass 20 --threshold 0.05 --min_distance 100 \
        --max_stddev_noise 1.1 --only_do_unfinished --gpu 0:1:2:3:0:1:2:3

echo CtfFind/job003/micrographs_ctf.star |
run "$dispatch_apptainer" --quiet exec --no-eval --cleanenv "${dispatch_container[@]}" \
        tee -- "$dispatch_output"/coords_suffix_autopick.star

# Compare maps bit for bit, without the labels of an MRC header (bytes 225 to 1024), which contain the time.
content() { head -c 224 -- "$1"; tail -c +1025 -- "$1"; }
equal=0 different=0
for map in "$dispatch_output"/*.mrc "$dispatch_output"/*.mrcs; do
    before=$dispatch_first/${map##*/}
    [[ -f $map && -f $before ]] || continue
    if cmp -s <(content "$map") <(content "$before"); then
        equal=$((equal + 1))
    else
        different=$((different + 1))
        say "this map differs from the map of the first run: $map"
    fi
done
say "done: maps that are the same bit for bit as in the first run: $equal; maps that differ: $different"
say "the results are in $dispatch_output"
