#!/usr/bin/env bash
# cuda_base.sh compilers|libraries
# Prints the path of a base (SIF) of Debian 12 with the CUDA of Debian's own packages, see
# debian-cuda-base.def: the one in which RELION is compiled, or the one of the image itself. It is built by
# the user who runs containers, on the bare Debian of debian_base.sh, and again only when that or Debian's
# CUDA has changed. Takes the folder for the build from APPTAINER_TMPDIR, else /var/tmp.
set -euo pipefail
case ${1:-} in -h | --help) sed -n '/^set /q; 2,$s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;; esac

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
deploy=$here/../deploy
as_user=$deploy/ordinary_user.sh
as_root=$deploy/debian/as_root.sh
PATH=$PATH:/usr/local/bin:/usr/sbin:/sbin

say() { echo "cuda_base.sh: $*" >&2; }
fail() { say "$*"; exit 1; }

# Room for the build in MiB: the packages, what they unpack to, and the SIF.
case ${1:-} in
    compilers) compilers=yes what='CUDA and its compilers (1.7 GB of packages)' room=12000 ;;
    libraries) compilers=no what="CUDA's libraries" room=2000 ;;
    *) room='' ;;
esac
[[ $# -eq 1 && -n $room ]] || { say "usage: cuda_base.sh compilers|libraries"; exit 2; }
kind=$1
apptainer=$(command -v apptainer) || fail "no apptainer here: run deploy/setup_apptainer.sh first"
user=$("$as_user")
own_cache=$("$deploy/cache_folder.sh")
lists=$own_cache/apt/base-cuda
mkdir -p "$lists"
exec 9>> "$lists/lock"
flock -n 9 || { say "a base with CUDA is being built: waiting for it"; flock 9; }

bare=$("$here/debian_base.sh" bookworm)
debian() { COMPONENTS='main contrib non-free' "$deploy/debian/suite_apt.sh" bookworm "$lists" "$@"; }
debian apt-get -qq --error-on=any update >&2 ||
    fail "cannot read Debian bookworm, with contrib and non-free, from $("$deploy/debian/mirror.sh")"
package=$(debian apt-cache policy nvidia-cuda-toolkit | awk '$1 == "Candidate:" { print $2 }')
[[ -n $package && $package != "(none)" ]] ||
    fail "Debian bookworm has no nvidia-cuda-toolkit for $(uname -m) at $("$deploy/debian/mirror.sh")"
key=$(cat "$here/debian-cuda-base.def" - <<< "$(basename "$bare") $package" | sha256sum | cut -c 1-12)
base=$(dirname "$bare")/debian-cuda-$kind-$key.sif
if [[ -e $base ]]; then
    echo "$base"
    exit 0
fi

"$deploy/debian/install_packages.sh" squashfs-tools uidmap
place=${APPTAINER_TMPDIR:-/var/tmp}
free=$(df --output=avail -BM "$place" | tr -dc '0-9\n' | tail -n 1)
((free >= room)) || fail "there are $free MB free in $place, and this base takes about $room MB to build:" \
    "free space there, or name another folder on a local disk in APPTAINER_TMPDIR"
work=$("$as_user" mktemp -d "$place/debian-cuda-base.XXXXXX")
log=$(mktemp)
# An interrupted build can leave files of --fakeroot's other ids, for root to remove.
trap 'rm -f "$log"; rm -rf "$work" 2> /dev/null || "$as_root" rm -rf "$work"' EXIT
# The checkout may be in a place that the user cannot read.
"$as_user" tee "$work/base.def" < "$here/debian-cuda-base.def" > /dev/null
# Compressed quickly: it is read a few times, and never leaves this machine.
start=$SECONDS
say "adding $what to $(basename "$bare"), as $user ..."
"$as_user" env LC_ALL=C APPTAINER_TMPDIR="$work" \
    APPTAINER_MKSQUASHFS_ARGS='-Xcompression-level 1' "$apptainer" build --fakeroot \
    --build-arg bootstrap=localimage --build-arg from="$bare" --build-arg compilers="$compilers" \
    "$work/base.sif" "$work/base.def" > "$log" 2>&1 || {
    tail -n 40 "$log" >&2
    fail "that failed, see above"
}
# shellcheck disable=SC2016 # for that shell
"$as_user" sh -c 'chmod 644 "$1" && mv "$1" "$2"' sh "$work/base.sif" "$base"
# Bases of earlier states; young ones may still be somebody's.
"$as_user" find "$(dirname "$base")" -name "debian-cuda-$kind-*" ! -path "$base" -mtime +1 -delete
say "... done in $((SECONDS - start)) s"
echo "$base"
