#!/bin/bash
# Writes the golden job scripts and plans anew. Review the difference before you commit it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
UPDATE_GOLDEN=1 "$(deploy/python_environment.sh test)" -m pytest -q -n auto tests/unit/job_script/test_golden.py tests/unit/planning/test_golden_plans.py tests/unit/planning/test_plans_in_full.py tests/programs/reproduction/test_reproduce.py tests/programs/job_script/test_watcher.py
