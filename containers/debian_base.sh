#!/usr/bin/env bash
# debian_base.sh bookworm|sid
# Prints the path of a bare Debian image (SIF), the base that relion-debian.def
# takes where there is no Docker Hub. It is built as root, or through sudo, and
# again only when Debian has released another state of that suite.
set -euo pipefail
case ${1:-} in -h | --help) sed -n '/^set /q; 2,$s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;; esac

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
deploy=$here/../deploy
as_user=$deploy/ordinary_user.sh
as_root=$deploy/debian/as_root.sh
PATH=$PATH:/usr/local/bin:/usr/sbin:/sbin

say() { echo "debian_base.sh: $*" >&2; }
fail() { say "$*"; exit 1; }

[[ $# -eq 1 && $1 =~ ^[a-z]+$ ]] || { say "usage: debian_base.sh bookworm|sid"; exit 2; }
suite=$1
apptainer=$(command -v apptainer) || fail "no apptainer here: run deploy/setup_apptainer.sh first"
user=$("$as_user")

own_cache=$("$deploy/cache_folder.sh")
lists=$own_cache/apt/base-$suite
mkdir -p "$lists"
exec 9>> "$lists/lock"
flock -n 9 || { say "the base of Debian $suite is being built: waiting for it"; flock 9; }

# Where the user who runs the containers can read it; root's own cache is closed.
bases=$own_cache/bases
[[ $EUID -ne 0 ]] || bases=$(getent passwd "$user" | cut -d: -f6)/.cache/relion-dispatch/bases
"$as_user" mkdir -p "$bases"

# The release file names every package list of the suite by its digest, so a base
# of another state is another file. Its date says nothing: sid's is often stale.
"$deploy/debian/suite_apt.sh" "$suite" "$lists" apt-get -qq --error-on=any update >&2 ||
    fail "cannot read Debian $suite from $("$deploy/debian/mirror.sh")"
release=$(cat "$lists"/lists/*_InRelease "$lists"/lists/*_Release 2> /dev/null) || true
[[ -n $release ]] || fail "Debian $suite has no release file at $("$deploy/debian/mirror.sh")"
key=$(cat "$here/debian-base.def" - <<< "$suite $(uname -m) $release" | sha256sum | cut -c 1-12)
base=$bases/debian-$suite-$key.sif
if [[ -e $base ]]; then
    echo "$base"
    exit 0
fi

"$deploy/debian/install_packages.sh" debootstrap debian-archive-keyring gpgv squashfs-tools uidmap
# In /var/tmp, as /tmp may be small, or mounted nodev, which debootstrap refuses. A folder of the caller's:
# root writes nothing where a user who runs containers could put a link.
work=$(mktemp -d /var/tmp/debian-base.XXXXXX)
log=$(mktemp)
trap 'rm -f "$log"; rm -rf "$work" 2> /dev/null || "$as_root" rm -rf "$work"' EXIT
start=$SECONDS
say "building a bare Debian $suite, as root ..."
"$as_root" env LC_ALL=C APPTAINER_TMPDIR="$work" "$apptainer" build \
    --build-arg suite="$suite" --build-arg mirror="$("$deploy/debian/mirror.sh")" \
    "$work/base.sif" "$here/debian-base.def" > "$log" 2>&1 || {
    tail -n 40 "$log" >&2
    fail "the bare Debian $suite could not be built, see above"
}
# Without Debian's keys debootstrap only warns, and takes what the mirror says.
grep -q '^I: Valid Release signature' "$log" || {
    tail -n 40 "$log" >&2
    fail "debootstrap has not checked Debian's signature of $suite, so its base is not kept: install" \
        "debian-archive-keyring and gpgv, and try again"
}
# shellcheck disable=SC2016 # for that shell
"$as_user" sh -c 'umask 022; cat > "$1.$$" && mv "$1.$$" "$1"' sh "$base" < "$work/base.sif"
# Bases of earlier states; young ones may still be somebody's.
"$as_user" find "$bases" -name "debian-$suite-*" ! -path "$base" -mtime +1 -delete
say "... done in $((SECONDS - start)) s"
echo "$base"
