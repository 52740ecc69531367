#!/usr/bin/env bash
# setup_apptainer.sh
# Makes `apptainer` available on Debian 12 or newer, for all users. Prints the
# path of the command on stdout, everything else on stderr. Does nothing where
# apptainer works already. To undo: remove the folder and link it announces.
#
# Debian 12 has no apptainer package, and unstable's wants a newer glibc. So
# unstable's goes into a folder of its own, with the libraries it needs beside
# it; the machine's own libraries stay as they are.
set -euo pipefail
case ${1:-} in -h | --help) sed -n '/^set /q; 2,$s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;; esac

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
as_root=$here/debian/as_root.sh
link=/usr/local/bin/apptainer
prefixes=/usr/local/lib/apptainer-debian
PATH=$PATH:/usr/local/bin

say() { echo "setup_apptainer.sh: $*" >&2; }

report_if_working() {
    local found version
    found=$(command -v apptainer) && version=$("$found" --version 2> /dev/null) || return 1
    say "$version works already: $found"
    # Where apptainer is the site's own, so are its devices.
    [[ $(readlink "$found") != "$prefixes"/* ]] || "$here/debian/fuse_device.sh"
    echo "$found"
}

needs_private_libraries() { # TREE
    local libraries
    libraries=$(ldd "$1/bin/apptainer" "$1/libexec/apptainer/bin/starter" 2>&1) || true
    [[ $libraries == *'not found'* ]]
}

# Lays Apptainer out in TREE so that it runs from $prefix: given its program in
# bin/, it looks for all else beside it, and its starter for all else above
# libexec/. Debian's lib/MULTIARCH is one level deeper, hence the link.
lay_out() { # PACKAGE_ROOT TREE
    local multiarch
    multiarch=$(cd "$1/usr/lib" && echo *-linux-*)
    mkdir -p "$2"/{bin,etc,lib,var/lib/apptainer/mnt/session}
    cp -a "$1/usr/bin/apptainer" "$2/bin/"
    cp -a "$1/usr/lib/$multiarch" "$2/libexec"
    ln -s ../libexec "$2/lib/$multiarch"
    cp -a "$1/etc/apptainer" "$2/etc/"
}

add_private_libraries() { # PACKAGE_ROOT TREE PREFIX
    local loader program
    mkdir "$2/lib/private"
    cp -aL "$1"/usr/lib/*/lib*.so* "$1"/usr/lib/*/ld-linux* "$2/lib/private/"
    loader=$(basename "$(patchelf --print-interpreter "$2/bin/apptainer")")
    for program in "$2/bin/apptainer" "$2/libexec/apptainer/bin/starter"; do
        # --force-rpath: a RUNPATH yields to LD_LIBRARY_PATH, under which
        # Apptainer runs itself again, and would then meet the old glibc.
        patchelf --force-rpath --set-rpath "$3/lib/private" \
            --set-interpreter "$3/lib/private/$loader" "$program"
    done
}

warn_without_namespaces() {
    local user=()
    [[ $EUID -ne 0 ]] || user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    "${user[@]}" unshare --user --map-root-user true 2> /dev/null ||
        say "warning: ordinary users cannot make user namespaces here; Apptainer needs them" \
            "(sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone)"
}

# What programs print is parsed below: let it be English.
export LC_ALL=C
umask 022
! report_if_working || exit 0
command -v dpkg > /dev/null || { say "this machine is not a Debian: install Apptainer yourself"; exit 1; }

# Two at once must not install over each other; any user can lock a folder.
exec 9< /usr/local/bin
flock 9
! report_if_working || exit 0

"$here/debian/install_packages.sh" squashfs-tools squashfuse fuse3 uidmap patchelf debootstrap ca-certificates

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
sid() { "$here/debian/suite_apt.sh" sid "$work/apt" "$@"; }

say "reading the package list of Debian's unstable suite, for Apptainer alone"
sid apt-get -qq update >&2
sid apt-get -qq download apptainer >&2
package=$(echo apptainer_*.deb)
version=$(dpkg-deb -f "$package" Version)
prefix=$prefixes/$version
say "installing Apptainer $version into $prefix, with a link $link"

dpkg-deb -x "$package" program
lay_out program tree
if needs_private_libraries tree; then
    say "this machine's glibc is too old for it: adding Debian unstable's to that folder"
    mkdir libraries
    (cd libraries && sid apt-get -qq download libc6 libgcc-s1 libseccomp2 libsqlite3-0 >&2)
    for package in libraries/*.deb; do dpkg-deb -x "$package" libraries/root; done
    add_private_libraries libraries/root tree "$prefix"
fi

# The link comes last: an interrupted run leaves nothing that looks installed.
"$as_root" rm -rf "$prefix"
"$as_root" mkdir -p "$prefix"
"$as_root" cp -r --preserve=mode,links tree/. "$prefix/"
"$prefix/bin/apptainer" --version >&2
"$here/debian/fuse_device.sh"
warn_without_namespaces
"$as_root" ln -sfn "$prefix/bin/apptainer" "$link"
echo "$link"
