#!/bin/sh
# cuda_flags.sh 'ARCHITECTURE ...'
# Run where RELION is compiled, with nvcc on PATH. Prints three lines about its CUDA code:
#   what the image says of it ("CUDA 11.8, sm 70 80")
#   the lowest architecture, for RELION's CUDA_ARCH, which takes one
#   nvcc's flags for the others (may be empty)
# An architecture that is newer than this CUDA is left out, and that is said on stderr: the driver translates
# the code of the newest one for later cards. Any other that this CUDA lacks is an error.
set -eu

say() { echo "cuda_flags.sh: $*" >&2; }
fail() { say "$*"; exit 1; }

[ $# -eq 1 ] || fail "usage: cuda_flags.sh 'ARCHITECTURE ...'"
command -v nvcc > /dev/null ||
    fail "there is no nvcc: the base of the first stage needs CUDA's compiler, or the image gpu=none"
version=$(nvcc --version | sed -n 's/.* release \([0-9][0-9.]*\).*/\1/p')
known=$(nvcc --list-gpu-arch | sed -n 's/^compute_\([0-9]*\)$/\1/p' | sort -n | paste -sd ' ')
[ -n "$known" ] || fail "nvcc --list-gpu-arch names no architectures"
newest=${known##* }

kept='' later=''
for architecture in $1; do
    case $architecture in
        *[!0-9]*) fail "\"$architecture\" is no architecture: architectures are numbers, such as \"80 90\"" ;;
    esac
done
# shellcheck disable=SC2086 # a list
for architecture in $(printf '%s\n' $1 | sort -nu); do
    case " $known " in
        *" $architecture "*)
            kept="$kept $architecture"
            continue
            ;;
    esac
    [ "$architecture" -gt "$newest" ] ||
        fail "CUDA $version cannot compile for the architecture $architecture: leave it out of" \
            "architectures; CUDA $version knows $known"
    later="$later $architecture"
done
[ -n "$kept" ] || fail "CUDA $version can compile for none of the architectures ($1): CUDA $version knows $known"
[ -z "$later" ] || say "CUDA $version cannot compile for$later: left out, and the driver of such a card" \
    "translates the code for ${kept##* } when RELION first starts"

# shellcheck disable=SC2086 # a list
set -- $kept
lowest=$1
flags=''
if [ $# -gt 1 ]; then
    flags='-Wno-deprecated-gpu-targets'
    for architecture in "$@"; do
        [ "$architecture" = "$lowest" ] ||
            flags="$flags -gencode arch=compute_$architecture,code=sm_$architecture"
    done
    # What the driver can translate for later cards; a single one has it by itself.
    flags="$flags -gencode arch=compute_$architecture,code=compute_$architecture"
fi
echo "CUDA $version, sm$kept"
echo "$lowest"
echo "$flags"
