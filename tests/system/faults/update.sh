#!/bin/bash
# Runs the fault suite, and writes docs/faults.md anew from what it saw.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 777 "$folder" # the tests run as an ordinary user
UPDATE_FAULTS=$folder/faults.md tests/run.sh system -k faults
cat "$folder/faults.md" >docs/faults.md
