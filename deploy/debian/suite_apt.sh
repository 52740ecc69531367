#!/usr/bin/env bash
# suite_apt.sh SUITE FOLDER apt-get|apt-cache ARGUMENT...
# Runs apt on any suite of this machine's mirror, with the lists in FOLDER, so
# that the machine's own packages, lists and pins neither matter nor change.
# Needs no root. COMPONENTS, if set, replaces "main".
set -euo pipefail
case ${1:-} in -h | --help) sed -n '/^set /q; 2,$s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;; esac

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[[ $# -ge 4 ]] || { echo "usage: $0 SUITE FOLDER apt-get|apt-cache ARGUMENT..." >&2; exit 2; }
suite=$1 folder=$2 program=$3
shift 3

signed_by=
# Debian 13 renamed the keyring.
for keyring in /usr/share/keyrings/debian-archive-keyring.{pgp,gpg}; do
    [[ ! -e $keyring ]] || signed_by="signed-by=$keyring"
done

mkdir -p "$folder"/{lists,archives}/partial
mirror=$("$here/mirror.sh")
echo "deb [arch=$(dpkg --print-architecture) $signed_by] $mirror $suite ${COMPONENTS:-main}" \
    > "$folder/sources.list"

# Check-Valid-Until: sid's release file is often past its date on a mirror.
# Insecure, Unauthenticated: lists and packages are signed, whatever this machine's own settings allow.
# Sandbox::User: FOLDER is rarely open to apt's own user.
exec env LC_ALL=C "$program" \
    -o Dir::Etc::sourcelist="$folder/sources.list" \
    -o Dir::Etc::sourceparts=/dev/null \
    -o Dir::Etc::preferences=/dev/null \
    -o Dir::Etc::preferencesparts=/dev/null \
    -o Dir::State::lists="$folder/lists" \
    -o Dir::State::status=/dev/null \
    -o Dir::Cache="$folder" \
    -o APT::Default-Release= \
    -o APT::Sandbox::User="$(id -un)" \
    -o Acquire::Check-Valid-Until=false \
    -o Acquire::AllowInsecureRepositories=false \
    -o APT::Get::AllowUnauthenticated=false \
    "$@"
