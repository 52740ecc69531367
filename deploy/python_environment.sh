#!/bin/bash
# Prints the path of a Python that has the dispatcher's dependencies, by digest: a virtual environment in
# the user's cache, made on first use and keyed by what it was made from.
# Usage: python_environment.sh [test|docs|clients]      what else it has; without it, what an installation has
set -euo pipefail
case ${1:-} in -h | --help) sed -n '/^set /q; 2,$s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;; esac

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
extra=${1:-}
[ -z "$extra" ] || [ -e "$root/deploy/${extra}_requirements.txt" ] ||
    { echo "usage: python_environment.sh [test|docs|clients]" >&2; exit 2; }

# Debian's own Python starts faster than most others.
for python in /usr/bin/python3 python3; do
    "$python" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break
    python=
done
[ -n "$python" ] || { echo "Python 3.11 or newer is needed: install python3." >&2; exit 1; }

"$python" -I -c 'import ensurepip, venv' 2>/dev/null ||
    "$root/deploy/debian/install_packages.sh" python3-venv

requirements=$root/deploy/${extra:+${extra}_}requirements.txt
key=$({ grep -v '^#' "$requirements"; "$python" -VV; } | sha256sum | cut -c1-12)
cache=$("$root/deploy/cache_folder.sh")
folder=$cache/python-$key
exec 9>"$cache/python.lock"
flock 9
if [ ! -e "$folder/complete" ]; then
    echo "Making a Python environment in $folder." >&2
    rm -rf "$folder"
    umask 022 # it is run, so nobody else may write it
    "$python" -I -m venv "$folder"
    # A source would be built by tools from the index, which have no digest here.
    "$folder/bin/python" -I -m pip install -qq --disable-pip-version-check --require-hashes \
        --only-binary :all: -r "$requirements" >&2
    touch "$folder/complete"
fi
echo "$folder/bin/python"
