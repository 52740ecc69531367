#!/bin/bash
# Writes the golden job scripts and plans anew. Review the difference before you commit it.
set -euo pipefail
case ${1:-} in -h | --help) sed -n '/^set /q; 2,$s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;; esac
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
UPDATE_GOLDEN=1 "$(deploy/python_environment.sh test)" -m pytest -q -n auto tests/unit/job_script/test_golden.py tests/unit/planning/test_golden_plans.py tests/unit/planning/test_plans_in_full.py tests/programs/reproduction/test_reproduce.py tests/programs/job_script/test_watcher.py tests/programs/explanation/test_page.py
