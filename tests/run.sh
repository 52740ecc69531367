#!/bin/bash
# All tests: unit and golden ones; programs of ours that run by themselves (the hook, job scripts,
# shims), with stand-ins around them; and the whole system with real Apptainer, RELION and Slurm.
# Usage: tests/run.sh [unit|system] [PYTEST ARGUMENTS…]
#   unit      only the quick part: no root, no containers
#   system    only the whole system
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
part=all
case ${1:-} in
unit | system)
    part=$1
    shift
    ;;
esac

export PYTHONDONTWRITEBYTECODE=1
python=$(deploy/python_environment.sh test)
if [ "$part" != system ]; then
    "$python" -m ruff check --no-cache .
    "$python" -m ruff format --no-cache --check .
    "$python" -m mypy --cache-dir=/dev/null
    "${python%/*}/lint-imports" --no-cache --no-logo
    "$python" -m pytest -q -p no:cacheprovider -n auto tests/unit "$@"
fi
[ "$part" != unit ] || exit 0
if [ "$part" = all ]; then
    "$python" -m pytest -q -p no:cacheprovider -n 4 tests/programs tests/library "$@" # they wait more than they work

    deploy/debian/install_packages.sh shellcheck
    find . -name '*.sh' ! -name relion_template.sh ! -path './tests/golden/*' -print0 | xargs -0 shellcheck -x
    find tests/stand_ins -type f ! -name '*.*' -print0 | xargs -0 shellcheck
    # Job scripts set what their library uses, and call what it has; arrays of theirs hold commas.
    find tests/golden -name '*.sh' -print0 | xargs -0 shellcheck -e SC2034,SC2154,SC2054
    "$python" -c 'from dispatcher.job_script.library import read_library as r; print(r("slurm").text)' |
        shellcheck -s bash -e SC2034,SC2154,SC2317 -
    shellcheck deploy/relion-dispatch .ci/run
    sections=$(mktemp -d)
    "$python" -m tests.definitions "$sections"
    shellcheck "$sections"/*.sh
    rm -r "$sections"
fi

apptainer=$(deploy/setup_apptainer.sh)
export RELION_TEST_APPTAINER=$apptainer
# One build for each Debian at a time: much of both is waiting, for the mirror and for one thread.
built=$(mktemp -d)
status=0
containers/build.sh relion-5-cpu > "$built/5" &
{ containers/build.sh relion-3.1-cpu > "$built/3" &&
    containers/build.sh relion-3.1-cuda > "$built/cuda"; } || status=1
wait $! || status=1
RELION_TEST_IMAGE_3=$(cat "$built/3")
RELION_TEST_IMAGE_5=$(cat "$built/5")
RELION_TEST_IMAGE_CUDA=$(cat "$built/cuda")
export RELION_TEST_IMAGE_3 RELION_TEST_IMAGE_5 RELION_TEST_IMAGE_CUDA
rm -r "$built"
[ "$status" = 0 ] || exit 1
RELION_TEST_APPLIANCE=$(deploy/build_appliance.sh)
export RELION_TEST_APPLIANCE
deploy/debian/install_packages.sh gcc libc6-dev # for a simulated libcuda
deploy/debian/install_packages.sh tcsh lmod # whose users load the installation as well
tests/system/slurm_cluster.sh install

# Containers and Slurm jobs belong to an ordinary user, who gets a copy of the checkout: the
# original may lie where that user cannot go.
as_user=deploy/ordinary_user.sh
# shellcheck disable=SC2016 # $HOME is that user's
work=$("$as_user" sh -c '
    mkdir -p "$HOME/.cache/relion-dispatch"
    mktemp -d "$HOME/.cache/relion-dispatch/test-XXXXXX"')
stop() {
    tests/system/slurm_cluster.sh stop "$work/slurm" || true
    rm -rf "$work"
}
trap stop EXIT
tar -c --exclude=.git --exclude=.venv . | "$as_user" tar -x -C "$work"
settings=$(tests/system/slurm_cluster.sh start "$work/slurm")
eval "$settings"
export SLURM_CONF
RELION_TEST_MPS=$("$as_user" "$work/tests/system/mps_control.sh")
export RELION_TEST_MPS
user_python=$("$as_user" "$work/deploy/python_environment.sh" test)
cd "$work"
"$work/$as_user" "$user_python" -m pytest -v --durations 15 -p no:cacheprovider --basetemp "$work/tmp" tests/system "$@"
