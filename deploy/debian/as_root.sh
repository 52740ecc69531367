#!/usr/bin/env bash
# as_root.sh COMMAND [ARGUMENT...]
# Runs one command as root: directly if we are root, else through sudo.
set -euo pipefail
case ${1:-} in -h | --help) sed -n '/^set /q; 2,$s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;; esac

[[ $# -gt 0 ]] || { echo "usage: $0 COMMAND [ARGUMENT...]" >&2; exit 2; }
[[ $EUID -ne 0 ]] || exec "$@"
command -v sudo > /dev/null || {
    echo "$0: \"$*\" needs root: log in as root, or install sudo" >&2
    exit 1
}
exec sudo "$@"
