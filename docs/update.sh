#!/bin/bash
# Writes anew what is made from the source and committed: the error index, the table of job types, the
# schemas of the configuration files, and the pictures of the rooms and of status.
set -euo pipefail
case ${1:-} in -h | --help) sed -n '/^set /q; 2,$s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;; esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PYTHONDONTWRITEBYTECODE=1
python=$(deploy/python_environment.sh test)
"$python" -m docs.making.error_index
"$python" -m docs.making.type_page
"$python" -m docs.making.schemas
"$python" -m docs.making.rooms_picture
"$python" -m docs.making.status_picture
