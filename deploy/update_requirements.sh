#!/bin/bash
# Makes deploy/requirements.txt and build_requirements.txt anew from the pins in pyproject.toml (the
# extra "plot" included): all that they need in turn, with the digests of every file of it. Review the
# difference before you commit it.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -I -m venv "$work/venv"
"$work/venv/bin/python" -I -m pip install -qq --disable-pip-version-check uv==0.13.9
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
sed -n 's/^requires = \["\(.*\)"\]$/\1/p' "$root/pyproject.toml" | lock - build_requirements.txt
