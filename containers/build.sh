#!/usr/bin/env bash
# build.sh bases-cpu|bases-cuda
# Makes the two bases on which `relion-dispatch images build` compiles RELION's source where there is no
# Docker Hub, of Debian 12's packages, and prints the options that name them:
#   relion-dispatch images build relion 5.0.1 --variant cuda --archive FOLDER $(build.sh bases-cuda)
#
# build.sh NAME [--output FOLDER]
# Builds a RELION image from Debian's packages with `relion-dispatch images build`,
# on a local base and into no catalogue, and prints the path of its SIF on stdout
# (all else on stderr). An image that is there already, from the same definitions
# and the same package version, is not built again.
#
#   NAME    relion-3.1-cpu (Debian 12), relion-3.1-cuda (Debian 12), relion-5-cpu
#           (Debian unstable), or one of them with -gui at the end, for RELION's
#           own window
#   FOLDER  default: relion-dispatch/images in the cache folder of the user who
#           runs containers (see deploy/ordinary_user.sh)
#
# Root, or sudo, is needed for the bare Debian only; RELION is added without.
set -euo pipefail
case ${1:-} in -h | --help) sed -n '/^set /q; 2,$s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;; esac

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
deploy=$here/../deploy
as_user=$deploy/ordinary_user.sh
as_root=$deploy/debian/as_root.sh
PATH=$PATH:/usr/local/bin:/usr/sbin:/sbin

say() { echo "build.sh: $name: $*" >&2; }
fail() { say "$*"; exit 1; }
usage() {
    echo "usage: build.sh relion-3.1-cpu|relion-3.1-cuda|relion-5-cpu[-gui] [--output FOLDER]" >&2
    echo "       build.sh bases-cpu|bases-cuda" >&2
    exit 2
}

name='' output=''
while [[ $# -gt 0 ]]; do
    case $1 in
        --output) [[ $# -ge 2 ]] || usage; output=$2; shift 2 ;;
        --output=*) output=${1#*=}; shift ;;
        -*) usage ;;
        *) [[ -z $name ]] || usage; name=$1; shift ;;
    esac
done
case $name in
    bases-*) [[ -z $output ]] || usage ;;&
    bases-cpu)
        base=$("$here/debian_base.sh" bookworm)
        echo "--base $base --build-base $base"
        exit 0
        ;;
    bases-cuda)
        base=$("$here/cuda_base.sh" libraries)
        build_base=$("$here/cuda_base.sh" compilers)
        echo "--base $base --build-base $build_base"
        exit 0
        ;;
esac
case ${name%-gui} in
    relion-3.1-cpu) suite=bookworm variant=cpu relion=relion ;;
    relion-3.1-cuda) suite=bookworm variant=cuda relion=relion-cuda ;;
    relion-5-cpu) suite=sid variant=cpu relion=relion ;;
    *) usage ;;
esac
[[ $name != *-gui ]] || variant=$variant-gui

apptainer=$(command -v apptainer) || fail "no apptainer here: run deploy/setup_apptainer.sh first"

user=$("$as_user")
own_cache=$("$deploy/cache_folder.sh")
if [[ -n $output ]]; then
    mkdir -p "$output"
elif [[ $EUID -ne 0 ]]; then
    output=$own_cache/images
    mkdir -p "$output"
else
    # Root's own cache is closed to the user who runs the containers.
    output=$(getent passwd "$user" | cut -d: -f6)/.cache/relion-dispatch/images
    "$as_user" mkdir -p "$output"
fi
output=$(cd "$output" && pwd)

lists=$own_cache/apt/$name
mkdir -p "$lists"
exec 9>> "$lists/lock"
flock -n 9 || { say "another build of it is running: waiting"; flock 9; }

debian() { COMPONENTS='main contrib non-free' "$deploy/debian/suite_apt.sh" "$suite" "$lists" "$@"; }

update_lists() {
    say "reading the package list of Debian $suite"
    debian apt-get -qq --error-on=any update >&2 && touch "$lists/updated"
}

# Sets package (the one that would be installed), version (RELION's) and sif (its
# image's path).
# The key in the name stands for all that makes the image, so that a newer
# package or an edited definition is never answered with an older image.
identify() {
    local key
    package=$(debian apt-cache policy "$relion" | awk '$1 == "Candidate:" { print $2 }')
    [[ -n $package && $package != "(none)" ]] || return 1
    key=$(cat "$here"/{debian-base.def,relion-debian.def,image_test.sh,recipes.json,build.sh} - \
        <<< "$suite $variant $package $(uname -m)" | sha256sum | cut -c 1-12)
    # 5.1.0+dfsg-1 -> 5.1.0
    version=$(sed 's/^[0-9]*://; s/[-+~].*//' <<< "$package")
    sif=$output/relion-$version-$variant-$key.sif
}

answer() {
    "$as_user" test -r "$sif" || fail "user $user, who runs the containers, cannot read $sif"
    echo "$sif"
    exit 0
}

updated_within() { [[ -n $(find "$lists/updated" -mmin "-$1" 2> /dev/null) ]]; } # MINUTES

# Six hours: often enough for sid, and quick and offline for the rest of the day.
if ! updated_within 360; then
    update_lists || say "the mirror does not answer: going by the package list of an earlier day"
fi
if identify && [[ -e $sif ]]; then
    say "built already: $sif"
    answer
fi
updated_within 2 || update_lists || fail "cannot read Debian $suite from $("$deploy/debian/mirror.sh")"
identify || fail "Debian $suite has no package $relion for this machine's architecture"
[[ ! -e $sif ]] || answer

"$deploy/debian/install_packages.sh" python3-venv squashfs-tools uidmap
base=$("$here/debian_base.sh" "$suite")

# In /var/tmp, as /tmp may be small.
work=$("$as_user" mktemp -d /var/tmp/relion-build.XXXXXX)
# An interrupted build can leave files of --fakeroot's other ids, for root to remove.
log=$(mktemp)
trap 'rm -f "$log"; rm -rf "$work" 2> /dev/null || "$as_root" rm -rf "$work"' EXIT
# The checkout may be in a place that the user cannot read.
"$as_user" mkdir "$work/checkout" "$work/site"
tar -c -C "$here/.." --exclude=__pycache__ \
    config containers deploy dispatcher job_template pyproject.toml |
    "$as_user" tar -x -C "$work/checkout"
python=$("$as_user" "$work/checkout/deploy/python_environment.sh")

say "adding $relion $package to $(basename "$base"), as $user ..."
start=$SECONDS
# The site is one of this build's own: what is built here is in no catalogue.
"$as_user" env RELION_DISPATCH_SITE="$work/site" RELION_DISPATCH_PYTHON="$python" \
    APPTAINER_TMPDIR="$work" "$work/checkout/deploy/relion-dispatch" images build \
    relion "$version" --variant "$variant" --base "$base" --output "$work/relion.sif" \
    > "$log" 2>&1 || {
    tail -n 40 "$log" >&2
    fail "that failed, see above"
}
say "... built and tested in $((SECONDS - start)) s"

labels=$("$as_user" "$apptainer" inspect --labels "$work/relion.sif")
[[ $labels == *"package $relion $package"* ]] ||
    fail "the mirror changed its $relion package during the build: run this again"

# Files in the user's folder are the user's, also when root builds them; and what the user has built is
# read as the user, who could have put a link there.
writer=("$as_user")
"$as_user" test -w "$output" || writer=()
# shellcheck disable=SC2016 # for that shell
"$as_user" cat "$work/relion.sif" |
    "${writer[@]}" sh -c 'umask 022; cat > "$1/.$2.$$" && mv "$1/.$2.$$" "$1/$2"' sh "$output" "$(basename "$sif")"
answer
