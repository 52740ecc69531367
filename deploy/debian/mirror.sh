#!/usr/bin/env bash
# mirror.sh
# Prints the address of the Debian mirror this machine itself installs from.
# DEBIAN_MIRROR, if set, is printed instead.
set -euo pipefail
case ${1:-} in -h | --help) sed -n '/^set /q; 2,$s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;; esac

first_uri() {
    local address='(https?|file|mirror[+]file)'
    { cat /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2> /dev/null || true; } |
        sed -nE \
            -e "s#^URIs:[[:space:]]*($address:[^[:space:]]+).*#\1#p" \
            -e "s#^deb[[:space:]]+(\[[^]]*\][[:space:]]+)?($address:[^[:space:]]+).*#\2#p" |
        sed -n 1p
}

mirror=${DEBIAN_MIRROR:-$(first_uri)}
# Cloud images keep the address in a list of mirrors, which debootstrap cannot read.
if [[ $mirror == mirror+file:* ]]; then
    list=${mirror#mirror+file:}
    mirror=$(sed -nE 's#^(https?:[^[:space:]]+).*#\1#p' "${list/#\/\//}" | sed -n 1p)
fi
[[ -n $mirror ]] || {
    echo "$0: no mirror in /etc/apt/sources.list.d/debian.sources or" \
        "/etc/apt/sources.list; set DEBIAN_MIRROR to its address" >&2
    exit 1
}
echo "${mirror%/}"
