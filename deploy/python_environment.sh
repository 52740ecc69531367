#!/bin/bash
# Prints the path of a Python that has the dispatcher's dependencies: a virtual environment in the
# user's cache, made on first use and keyed by what it was made from.
# Usage: python_environment.sh [EXTRA]      EXTRA: an optional group of pyproject.toml (test, demo)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
extra=${1:-}

# Debian's own Python starts faster than most others.
for python in /usr/bin/python3 python3; do
    "$python" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break
    python=
done
[ -n "$python" ] || { echo "Python 3.11 or newer is needed: install python3." >&2; exit 1; }

"$python" -I -c 'import ensurepip, venv' 2>/dev/null ||
    "$root/deploy/debian/install_packages.sh" python3-venv

requirements=$("$python" -I - "$root/pyproject.toml" "$extra" <<'END'
import re, sys
text = open(sys.argv[1]).read()
for name in ("dependencies", sys.argv[2]):
    found = name and re.search(rf"^{name} = \[(.*?)\]", text, re.DOTALL | re.MULTILINE)
    print("\n".join(re.findall(r'"([^"]+)"', found[1]) if found else []))
END
)
key=$({ echo "$requirements"; "$python" -VV; } | sha256sum | cut -c1-12)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/relion-dispatch
folder=$cache/python-$key
mkdir -p "$cache"
exec 9>"$cache/python.lock"
flock 9
if [ ! -e "$folder/complete" ]; then
    echo "Making a Python environment in $folder." >&2
    rm -rf "$folder"
    "$python" -I -m venv "$folder"
    "$folder/bin/python" -I -m pip install -qq --disable-pip-version-check \
        -r <(echo "$requirements") >&2
    touch "$folder/complete"
fi
echo "$folder/bin/python"
