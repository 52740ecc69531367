#!/usr/bin/env bash
# newest_slurm.sh
# Prints a folder with the Slurm of Debian's unstable suite, which slurm_cluster.sh can start beside the machine's
# own: commands and daemons in bin/, plugins and libraries in lib/, the C library among them. The programs find these
# without any variable, so what they start, as jobs, has the machine's own. They look for a slurm.conf where
# SLURM_CONF says, as all of Slurm's do. To undo: remove the folder.
#
# A folder is named by its content: if the suite moves on, there is a new one, and what was not used for 30 days goes.
# Without the mirror the last one serves.
set -euo pipefail
case ${1:-} in -h | --help) sed -n '/^set /q; 2,$s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;; esac

readonly TREES=/usr/local/lib/slurm-debian PACKAGES=(slurm-client slurmctld slurmd systemd-standalone-sysusers)
SELF=$(readlink -f "${BASH_SOURCE[0]}")
deploy=$(cd "${SELF%/*}/../../deploy" && pwd)

say() { echo "newest_slurm.sh: $*" >&2; }

sid() { "$deploy/debian/suite_apt.sh" sid "$lists" apt-get -qq --no-install-recommends "$@"; }

# All programs of Slurm with the libraries of PACKAGE_ROOT, laid out in TREE to run from PREFIX.
lay_out() { # PACKAGE_ROOT TREE PREFIX
    local libraries program name loader
    libraries=$(echo "$1"/usr/lib/*-linux-gnu*)
    mkdir -p "$2/bin"
    cp -aL "$libraries" "$2/lib"
    loader=$(cd "$2/lib" && echo ld-linux*.so.*)
    for program in "$1"/usr/bin/s* "$1"/usr/sbin/slurm*; do
        patchelf --print-needed "$program" 2>/dev/null | grep -qx libslurmfull.so || continue
        name=${program##*/}
        cp "$program" "$2/bin/${name%-wlm}"
        # --force-rpath: it holds for what plugins need as well, and LD_LIBRARY_PATH does not go before it.
        patchelf --force-rpath --set-rpath "$3/lib/slurm-wlm:$3/lib" --set-interpreter "$3/lib/$loader" "$2/bin/${name%-wlm}"
    done
}

export LC_ALL=C
umask 022
((EUID == 0)) || exec sudo bash "$SELF"
"$deploy/debian/install_packages.sh" patchelf
lists=$("$deploy/cache_folder.sh")/apt/newest-slurm
mkdir -p "$lists" "$TREES"
exec 9>>"$lists/lock"
flock 9

if ! wanted=$(sid --error-on=any update >&2 && sid --print-uris install "${PACKAGES[@]}" | cut -d' ' -f2-); then
    prefix=$(find "$TREES" -mindepth 2 -maxdepth 2 -name complete -printf '%T@ %h\n' | sort -n | tail -n 1 | cut -d' ' -f2)
    [[ -n $prefix ]] || { say "the mirror does not answer, and no Slurm of it is here yet"; exit 1; }
    say "the mirror does not answer: $prefix serves"
    echo "$prefix"
    exit
fi
version=$(sed -nE 's/^slurmctld_([^_]+)_.*/\1/p' <<<"$wanted")
prefix=$TREES/$version-$({ echo "$wanted"; cat "$SELF"; } | sha256sum | cut -c1-12)
if [[ ! -e $prefix/complete ]]; then
    say "laying out Slurm $version of Debian's unstable suite in $prefix"
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    sid --download-only -y install "${PACKAGES[@]}" >&2
    while read -r package _; do
        dpkg-deb -x "$lists/archives/$package" "$work/root"
    done <<<"$wanted"
    lay_out "$work/root" "$work/tree" "$prefix"
    rm -rf "$prefix" "$lists"/archives/*.deb
    cp -r --preserve=mode "$work/tree" "$prefix"
    "$prefix/bin/slurmctld" -V >&2
fi
touch "$prefix/complete"
find "$TREES" -mindepth 2 -maxdepth 2 -name complete -mtime +30 -printf '%h\0' | xargs -0 -r rm -rf
echo "$prefix"
