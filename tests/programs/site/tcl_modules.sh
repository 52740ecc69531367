#!/bin/bash
# Prints the path of the program of Environment Modules, of the machine's own Debian suite. Nothing is installed:
# Debian's package cannot be beside Lmod's.
set -euo pipefail
case ${1:-} in -h | --help) sed -n '/^set /q; 2,$s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;; esac

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
folder=$("$root/deploy/cache_folder.sh")/tcl-modules
mkdir -p "$folder"
exec 9>"$folder/lock"
flock 9
if ! ls "$folder"/unpacked/usr/lib/*/modulecmd.tcl >/dev/null 2>&1; then
    apt=("$root/deploy/debian/suite_apt.sh" bookworm "$folder/apt" apt-get)
    "${apt[@]}" -qq update >&2
    (cd "$folder" && rm -rf ./*.deb new && "${apt[@]}" -qq download environment-modules >&2)
    dpkg -x "$folder"/environment-modules_*.deb "$folder/new"
    rm -rf "$folder/unpacked"
    mv "$folder/new" "$folder/unpacked"
fi
echo "$folder"/unpacked/usr/lib/*/modulecmd.tcl
