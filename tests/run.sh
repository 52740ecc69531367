#!/bin/bash
# All tests: unit and golden ones; programs of ours that run by themselves (the hook, job scripts and their
# shims), with stand-ins around them; and the whole system with real Apptainer, RELION, Slurm and Grid Engine.
# Usage: tests/run.sh [unit|system|long] [PYTEST ARGUMENTS…]
#   unit      only the quick part: no root, no containers
#   system    only the whole system
#   long      only what need not run each time: a million fuzzed cases, which become docs/fuzzing.md, the
#             whole table of faults on each scheduler, which becomes docs/faults.md, and images from source,
#             whose bases with CUDA are some GB; -k selects among all, and then only those rows of the pages
#             are written
set -euo pipefail
case ${1:-} in -h | --help) sed -n '/^set /q; 2,$s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;; esac

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
part=all
case ${1:-} in
unit | system | long)
    part=$1
    shift
    ;;
esac
export PYTHONDONTWRITEBYTECODE=1
python=$(deploy/python_environment.sh test)
pytest=(-m pytest -p no:cacheprovider)

quick_checks() {
    "$python" -m ruff check --no-cache .
    "$python" -m ruff format --no-cache --check .
    "$python" -m mypy --cache-dir=/dev/null
    "${python%/*}/lint-imports" --no-cache --no-logo
    "$python" "${pytest[@]}" -q -n auto tests/unit "$@"
}

checks_of_shell() {
    local sections
    find . -name '*.sh' ! -name relion_template.sh ! -path './tests/golden/*' -print0 | xargs -0 shellcheck -x
    grep -rlZE '^#!.*[/ ](ba)?sh$' tests/stand_ins | xargs -0 shellcheck
    # Job scripts set what their library uses, and call what it has; arrays of theirs hold commas.
    find tests/golden -name '*.sh' -print0 | xargs -0 shellcheck -e SC2034,SC2154,SC2054,SC2317
    "$python" -c 'from dispatcher.job_script.library import read_library as r; print(r("slurm").text)' |
        shellcheck -s bash -e SC2034,SC2154,SC2317 -
    shellcheck deploy/relion-dispatch .ci/run
    sections=$(mktemp -d)
    "$python" -m tests.definitions "$sections"
    shellcheck "$sections"/*.sh
    rm -r "$sections"
}

# Prints the lines that tell the tests where the images are. One build for each Debian at a time:
# much of both is waiting, for the mirror and for one thread.
build_images() {
    local built status=0
    built=$(mktemp -d)
    { containers/build.sh relion-5-cpu >"$built/5" &&
        containers/build.sh relion-5-cpu-gui >"$built/gui"; } &
    { containers/build.sh relion-3.1-cpu >"$built/3" &&
        containers/build.sh relion-3.1-cuda >"$built/cuda"; } || status=1
    wait $! || status=1
    [ "$status" = 0 ] || return 1
    echo "export RELION_TEST_IMAGE_3=$(cat "$built/3")"
    echo "export RELION_TEST_IMAGE_5=$(cat "$built/5")"
    echo "export RELION_TEST_IMAGE_GUI=$(cat "$built/gui")"
    echo "export RELION_TEST_IMAGE_CUDA=$(cat "$built/cuda")"
    rm -r "$built"
    echo "export RELION_TEST_APPLIANCE=$(deploy/build_appliance.sh)"
}

[ "$part" = system ] || [ "$part" = long ] || quick_checks "$@"
[ "$part" != unit ] || exit 0
if [ "$part" = long ]; then
    # Status 5: none was selected.
    UPDATE_FUZZING=$root/docs/fuzzing.md "$python" "${pytest[@]}" -q -n 2 tests/fuzz -m long "$@" || [ $? = 5 ]
    "$python" "${pytest[@]}" -q -n 2 tests/programs -m long "$@" || [ $? = 5 ]
    "$python" "${pytest[@]}" -q --collect-only tests/system/faults tests/system/images/test_source.py tests/system/test_first_day.py \
        "$@" >/dev/null || exit 0
fi

# gcc for a simulated libcuda; shells and man, whose files we write; a screen, a mouse and a reader for RELION's window
deploy/debian/install_packages.sh shellcheck gcc libc6-dev tcsh csh zsh fish groff man-db lmod tcl xvfb xdotool tesseract-ocr
deploy/debian/install_packages.sh libegl1 libgl1 libxkbcommon0 libdbus-1-3 libfontconfig1 libglib2.0-0 # himena's Qt
tests/system/slurm_cluster.sh install
tests/system/gridengine_cluster.sh install
tests/system/slurm_accounting.sh install
newest_slurm=$(tests/system/newest_slurm.sh)
RELION_TEST_TCL_MODULES=$(tests/programs/site/tcl_modules.sh)
export RELION_TEST_TCL_MODULES
RELION_TEST_APPTAINER=$(deploy/setup_apptainer.sh)
export RELION_TEST_APPTAINER

# Images are built while programs are tested: these wait more than they work.
settings=$(mktemp)
build_images >"$settings" &
images=$!
if [ "$part" = all ]; then
    checks_of_shell
    "$python" "${pytest[@]}" -q -n 4 -m "not long" tests/library tests/programs tests/two_users tests/fuzz "$@" || {
        kill "$images" 2>/dev/null || true
        exit 1
    }
fi
wait "$images"
eval "$(cat "$settings")"
rm "$settings"

# Containers and Slurm jobs belong to an ordinary user, who gets a copy of the checkout: the
# original may lie where that user cannot go.
as_user=deploy/ordinary_user.sh
# shellcheck disable=SC2016 # $HOME is that user's
work=$("$as_user" sh -c '
    mkdir -p "$HOME/.cache/relion-dispatch"
    mktemp -d "$HOME/.cache/relion-dispatch/test-XXXXXX"')
stop() {
    local cluster
    for cluster in slurm preempting plain/slurm home far; do tests/system/slurm_cluster.sh stop "$work/$cluster" || true; done
    for cluster in newest newest-preempting; do
        SLURM_CLUSTER_TREE=$newest_slurm tests/system/slurm_cluster.sh stop "$work/$cluster" || true
    done
    tests/system/slurm_accounting.sh stop "$work/accounting" || true
    for cluster in gridengine plain/gridengine; do tests/system/gridengine_cluster.sh stop "$work/$cluster" || true; done
    tests/system/small_ext4.sh stop "$work/small" || true
    rm -rf "$work"
}
trap stop EXIT
tar -c --exclude=.git --exclude=.venv . | "$as_user" tar -x -C "$work"
RELION_TEST_SMALL_EXT4=$(tests/system/small_ext4.sh start "$work/small") # nodes do not see what is mounted later
export RELION_TEST_SMALL_EXT4
slurm=$(tests/system/slurm_cluster.sh start "$work/slurm")
eval "$slurm"
export SLURM_CONF
SLURM_CLUSTER_TREE=$newest_slurm SLURM_CLUSTER_NAME=newest tests/system/slurm_cluster.sh start "$work/newest" >/dev/null
export RELION_TEST_NEWEST_SLURM=$newest_slurm/bin RELION_TEST_NEWEST_SLURM_CONF=$work/newest/slurm.conf
gridengine=$(tests/system/gridengine_cluster.sh start "$work/gridengine")
eval "$gridengine"
# Two more clusters have accounting in common, and soon forget what has ended: /tests/system/test_accounting.py.
start_clusters() {
    local cluster
    tests/system/slurm_accounting.sh start "$work/accounting" home far
    export SLURM_CLUSTER_ACCOUNTING=$work/accounting SLURM_CLUSTER_REMEMBERS=5
    for cluster in home far; do
        SLURM_CLUSTER_NAME=$cluster tests/system/slurm_cluster.sh start "$work/$cluster" >/dev/null
    done
}
[ "$part" = long ] || (start_clusters)
# These cut jobs, which go on: tests/system/goes_on, and the newest one for tests/system/faults alone.
SLURM_CLUSTER_PREEMPTS=yes SLURM_CLUSTER_NAME=preempting tests/system/slurm_cluster.sh start "$work/preempting" >/dev/null
[ "$part" != long ] || SLURM_CLUSTER_TREE=$newest_slurm SLURM_CLUSTER_PREEMPTS=yes SLURM_CLUSTER_NAME=newest-preempting \
    tests/system/slurm_cluster.sh start "$work/newest-preempting" >/dev/null
# Clusters of this machine as it is, without GPUs: for docs/first-day.md.
mkdir "$work/plain"
chown --reference="$work" "$work/plain"
SLURM_CLUSTER_PLAIN=yes SLURM_CLUSTER_NAME=plain tests/system/slurm_cluster.sh start "$work/plain/slurm" >/dev/null
[ "$part" != long ] ||
    GRIDENGINE_CLUSTER_PLAIN=yes tests/system/gridengine_cluster.sh start "$work/plain/gridengine" >/dev/null
export RELION_TEST_PLAIN_CLUSTERS=$work/plain
export RELION_TEST_CLUSTERS=$work
RELION_TEST_MPS=$("$as_user" "$work/tests/system/mps_control.sh")
export RELION_TEST_MPS
RELION_TEST_HOST_RELION=$("$as_user" "$work/tests/system/host_relion.sh" "$RELION_TEST_IMAGE_3")
export RELION_TEST_HOST_RELION
RELION_TEST_SCREENSHOTS=$("$as_user" "$work/deploy/cache_folder.sh")/screenshots
export RELION_TEST_SCREENSHOTS
user_python=$("$as_user" "$work/deploy/python_environment.sh" test)
RELION_TEST_CLIENTS=$("$as_user" "$work/deploy/python_environment.sh" clients)
export RELION_TEST_CLIENTS
system_tests() { # ARGUMENTS…
    (cd "$work" && "$work/$as_user" "$user_python" "${pytest[@]}" -v --durations 25 --basetemp "$work/tmp" "$@")
}
if [ "$part" = long ]; then
    export UPDATE_FAULTS=$work/faults.md
    status=0
    export UPDATE_FIRST_DAY=$work/first-day.md
    system_tests tests/system/faults tests/system/images/test_source.py tests/system/test_first_day.py "$@" || status=$?
    [ ! -s "$UPDATE_FIRST_DAY" ] || cat "$UPDATE_FIRST_DAY" >docs/first-day.md
    [ ! -s "$UPDATE_FAULTS" ] || cat "$UPDATE_FAULTS" >docs/faults.md
    exit $status
else
    # Two at a time: they wait more than they work. A file's tests stay together.
    system_tests -n 2 --dist loadfile tests/system -m "not long" "$@"
fi
