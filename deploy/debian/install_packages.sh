#!/usr/bin/env bash
# install_packages.sh PACKAGE...
# Installs the packages that are missing, from the machine's own Debian suite.
# Says on stderr what it is about to install; silent when nothing is missing.
set -euo pipefail
case ${1:-} in -h | --help) sed -n '/^set /q; 2,$s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;; esac

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[[ $# -gt 0 ]] || { echo "usage: $0 PACKAGE..." >&2; exit 2; }

missing=()
for package in "$@"; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null) || state=none
    [[ $state == installed ]] || missing+=("$package")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

apt_get() {
    # A fresh machine may still be at its own first update: wait for its locks.
    "$here/as_root.sh" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
        -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" < /dev/null > /dev/null
}

update() {
    local attempt
    # The lists' lock has no waiting of its own in apt.
    for attempt in 1 2 3 4 5 6; do
        ! apt_get update || return 0
        echo "apt-get update failed (attempt $attempt of 6)" >&2
        sleep 5
    done
    return 1
}

echo "Installing Debian packages on this machine: ${missing[*]}" >&2
known() { apt-get -qq -s --no-install-recommends install "${missing[@]}" > /dev/null 2>&1; }
known || update
# Lists that are merely old name versions that the mirror has dropped.
apt_get --no-install-recommends install "${missing[@]}" || {
    update
    apt_get --no-install-recommends install "${missing[@]}"
}
