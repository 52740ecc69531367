#!/usr/bin/env bash
# demo.sh
# From a bare Debian 12 (or newer) to a Refine3D that RELION's own pipeliner
# submits through the dispatcher to this machine. No GPU is needed, and of RELION
# nothing but the image made here. For root, or a user with sudo.
set -euo pipefail

deploy=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$deploy")
as_user=$deploy/ordinary_user.sh

say() { echo "demo.sh: $*" >&2; }
fail() { say "$*"; exit 1; }

introduce() {
    cat << 'END_OF_INTRODUCTION'
The dispatcher's demo: RELION, in a container, sends a small Refine3D through the
dispatcher to this machine. The first time it takes some minutes (2 GB of disk,
most of it for the time of the build), later 1 or 2.

It installs, where missing (what works here already is left as it is):
  - Debian packages of this machine's own suite: python3-venv, squashfs-tools,
    squashfuse, fuse3, uidmap, patchelf, debootstrap, ca-certificates,
    debian-archive-keyring, gpgv
  - Apptainer, from Debian unstable, in /usr/local/lib/apptainer-debian, with
    libraries of its own beside it and a link in /usr/local/bin
  - a RELION image from Debian's packages, and a Python environment, in
    ~/.cache/relion-dispatch
  - for root: the user relion-demo, as containers run as an ordinary user
This machine's own libraries stay as they are. The results of each run go to a new
folder ~/relion-dispatch-demo/NUMBER; remove these folders when you are done.

END_OF_INTRODUCTION
}

build_image() {
    trap 'exit 130' INT # or Ctrl-C would be taken for a failed build
    "$root/containers/build.sh" relion-5-cpu || {
        say "RELION 5 could not be built, see above: taking RELION 3.1 of Debian 12 instead"
        "$root/containers/build.sh" relion-3.1-cpu
    }
}

# A folder of this run's own, in the home of the user who runs containers.
new_folder() {
    # shellcheck disable=SC2016 # the user's $HOME
    "$as_user" sh -ec '
        mkdir -p "$HOME/relion-dispatch-demo"
        cd "$HOME/relion-dispatch-demo"
        number=1
        while [ -e "$number" ]; do number=$((number + 1)); done
        mkdir "$number"
        echo "$PWD/$number"'
}

case ${1:-} in
    '') ;;
    -h | --help) echo "usage: demo.sh"; echo; introduce; exit 0 ;;
    *) say "usage: demo.sh"; exit 2 ;;
esac
command -v apt-get > /dev/null || fail "this demo is for Debian 12 or newer"

introduce
"$deploy/debian/install_packages.sh" python3-venv ca-certificates
apptainer=$("$deploy/setup_apptainer.sh")
image=$(build_image)
folder=$(new_folder)
checkout=$root
if [[ $EUID -eq 0 ]]; then
    # The checkout may lie where that user cannot go.
    checkout=$folder/checkout
    "$as_user" mkdir "$checkout"
    tar -c -C "$root" --exclude=__pycache__ dispatcher config job_template deploy pyproject.toml |
        "$as_user" tar -x -C "$checkout"
fi
python=$("$as_user" "$checkout/deploy/python_environment.sh")

cd "$checkout"
# -E, -s: whatever Python settings the user has; -X utf8: whatever language.
exec "$as_user" "$python" -E -s -X utf8 -m deploy.demo "$folder" "$image" --apptainer "$apptainer"
