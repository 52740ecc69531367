#!/bin/bash
# Builds the documentation site into build/site; a broken link or anchor is an error.
# To read it: docs/build.sh && python3 -m http.server --directory build/site
set -euo pipefail
case ${1:-} in -h | --help) sed -n '/^set /q; 2,$s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;; esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=$(deploy/python_environment.sh docs)
export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$PWD NO_MKDOCS_2_WARNING=1
exec "$python" -m mkdocs build --strict # with --quiet it would not count warnings
