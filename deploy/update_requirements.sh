#!/bin/bash
# Makes the requirements in deploy/ anew from the pins in pyproject.toml: all that these need in turn, with
# the digests of every file of it. Review the difference before you commit it.
set -euo pipefail
case ${1:-} in -h | --help) sed -n '/^set /q; 2,$s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;; esac

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -I -m venv "$work/venv"
"$work/venv/bin/python" -I -m pip install -qq --disable-pip-version-check --require-hashes \
    --only-binary :all: -r "$root/deploy/lock_requirements.txt"
# uv does not read pip's settings.
settings=$("$work/venv/bin/python" -I -m pip config list)
way=("$work/venv/bin/python" -I "$root/deploy/pip_settings.py")
index=$("${way[@]}" "$work" <<< "$settings" | sed -n 's/^index-url = //p')
certificates=$("${way[@]}" --certificates <<< "$settings")
[[ -z $index ]] || export UV_DEFAULT_INDEX=$index
[[ -z $certificates ]] || export SSL_CERT_FILE=$certificates

lock() { # INPUT FILE [OPTION...]    "-" is standard input
    local input=$1 file=$2
    shift 2
    "$work/venv/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-header --no-annotate "$@" "$input" --output-file "$work/locked"
    {
        sed '/^[^#]/,$d' "$root/deploy/$file"
        cat "$work/locked"
    } > "$work/new"
    rm "$work/locked" # uv prefers the versions that it finds there
    cp "$work/new" "$root/deploy/$file"
}

lock "$root/pyproject.toml" requirements.txt --extra plot
# Tests and documentation get the libraries that an installation gets.
for extra in test docs; do
    lock "$root/pyproject.toml" "${extra}_requirements.txt" --extra "$extra" \
        --constraint "$root/deploy/requirements.txt"
done
# Other programs, in an environment of their own: what they need has nothing to do with ours.
sed -n 's/^clients = \[\(.*\)\].*/\1/p' "$root/pyproject.toml" | tr -d '",' | tr ' ' '\n' |
    lock - clients_requirements.txt --only-binary :all:
sed -n 's/^requires = \["\(.*\)"\]$/\1/p' "$root/pyproject.toml" | lock - build_requirements.txt
sed -n 's/^lock = \["\(.*\)"\].*/\1/p' "$root/pyproject.toml" | lock - lock_requirements.txt
