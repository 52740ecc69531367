#!/usr/bin/env bash
# build_appliance.sh [--base FILE|docker] [--wheels FOLDER] [--output FILE]
# Builds the dispatcher's own image (Apptainer.def) from this checkout, tests it, and prints the path
# of its SIF on stdout (all else on stderr). One that is there already, from the same files, is not
# built again.
#
#   --base      a Debian 12 image (SIF), or "docker" for debian:bookworm-slim from Docker Hub;
#               default: one made with debootstrap, which needs root or sudo
#   --wheels    take Python's packages, hatchling too, from this folder instead of an index
#   --output    default: relion-dispatch/images in the cache folder of the user who runs containers
set -euo pipefail

deploy=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$deploy")
as_user=$deploy/ordinary_user.sh
PATH=$PATH:/usr/local/bin:/usr/sbin:/sbin

say() { echo "build_appliance.sh: $*" >&2; }
fail() { say "$*"; exit 1; }

base='' wheels='' output=''
while [[ $# -gt 0 ]]; do
    [[ $# -ge 2 ]] || fail "usage: build_appliance.sh [--base FILE|docker] [--wheels FOLDER] [--output FILE]"
    case $1 in
        --base) base=$2 ;;
        --wheels) wheels=$(cd "$2" && pwd) ;;
        --output) output=$(realpath -m "$2") ;;
        *) fail "unknown option $1" ;;
    esac
    shift 2
done
apptainer=$(command -v apptainer) || fail "no apptainer here: install it, or run deploy/setup_apptainer.sh"
[[ -n $base ]] || base=$("$root/containers/debian_base.sh" bookworm)
[[ $base == docker || -r $base ]] || fail "the base image $base cannot be read"

cd "$root"
version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' dispatcher/__init__.py)
# What is in the image, and what makes it.
inputs=(dispatcher config job_template containers pyproject.toml README.md LICENSE Apptainer.def
    deploy/{requirements.txt,relion_client.sh,relion_dispatch.py,relion-dispatch}
    deploy/{build_appliance.sh,pip_settings.py})
key=$({ find "${inputs[@]}" -type f ! -path '*/__pycache__/*' -print0 | sort -z | xargs -0 sha256sum
    [[ $base == docker ]] || stat -L -c '%s %Y' "$base"
    basename "$base"; ls "${wheels:-/dev/null}"; uname -m; } | sha256sum | cut -c 1-12)
user=$("$as_user")
home=$(getent passwd "$user" | cut -d: -f6)
if [[ -z $output ]]; then
    cache=$home/.cache
    [[ $EUID -eq 0 ]] || cache=${XDG_CACHE_HOME:-$cache}
    output=$cache/relion-dispatch/images/dispatcher-$version-$key.sif
    "$as_user" mkdir -p "$(dirname "$output")"
    exec 9< "$(dirname "$output")"
    flock -n 9 || { say "another build is running: waiting for it"; flock 9; }
    if [[ -e $output ]]; then
        say "built already: $output"
        echo "$output"
        exit 0
    fi
else
    # Now, and not when the image is built.
    [[ -d $(dirname "$output") ]] || fail "there is no folder $(dirname "$output") for the image"
fi

work=$("$as_user" mktemp -d /var/tmp/relion-dispatch-appliance.XXXXXX)
log=$(mktemp)
trap 'rm -f "$log"; rm -rf "$work" 2> /dev/null || "$deploy/debian/as_root.sh" rm -rf "$work"' EXIT
"$as_user" mkdir "$work/checkout" "$work/build"
tar -c --exclude=__pycache__ "${inputs[@]}" deploy/python_environment.sh deploy/debian |
    "$as_user" tar -x -C "$work/checkout"
"$as_user" cp "$work/checkout/Apptainer.def" "$work/checkout/deploy/requirements.txt" "$work/"
"$as_user" mv "$work/requirements.txt" "$work/build/"

step() { # SENTENCE COMMAND [ARGUMENT...]
    local start=$SECONDS
    say "$1 ..."
    shift
    (cd "$work" && "$@") > "$log" 2>&1 || {
        tail -n 40 "$log" >&2
        fail "that failed, see above: $*"
    }
    say "... done in $((SECONDS - start)) s"
}

pip=(env)
if [[ -n $wheels ]]; then
    tar -c -C "$wheels" . |
        "$as_user" sh -c "mkdir '$work/build/wheels' && tar -x -C '$work/build/wheels'"
    pip=(env PIP_NO_INDEX=1 PIP_FIND_LINKS="$work/build/wheels")
fi
python=$("$as_user" "${pip[@]}" "$work/checkout/deploy/python_environment.sh")
pip=("$as_user" "${pip[@]}" "$python" -I -m pip)
step "making the wheel, as $user" \
    "${pip[@]}" wheel --no-deps --wheel-dir build "$work/checkout"

# pip in the build has none of this machine's settings but those that lead to its index.
if [[ -n $wheels ]]; then
    printf '[global]\nno-index = true\nfind-links = /opt/relion-dispatch-build/wheels\n'
else
    settings=$("${pip[@]}" config list)
    way=("$as_user" "$python" -I "$work/checkout/deploy/pip_settings.py")
    certificates=$("${way[@]}" --certificates <<< "$settings")
    [[ -z $certificates ]] || "$as_user" tee "$work/build/ca.crt" < "$certificates" > /dev/null
    "${way[@]}" /opt/relion-dispatch-build <<< "$settings"
fi | "$as_user" tee "$work/build/pip.conf" > /dev/null
from=(--build-arg bootstrap=docker --build-arg from=debian:bookworm-slim)
if [[ $base != docker ]]; then
    "$as_user" ln -s "$(realpath "$base")" "$work/base.sif"
    # A relative name for the base: the image keeps it.
    from=(--build-arg bootstrap=localimage --build-arg from=base.sif)
fi
step "building the image, as $user" \
    "$as_user" env APPTAINER_TMPDIR="$work" "$apptainer" build --fakeroot --notest \
    "${from[@]}" --build-arg version="$version" dispatcher.sif Apptainer.def
step "testing it, as $user" \
    "$as_user" "$apptainer" test --cleanenv dispatcher.sif

# Files in the user's folder are the user's, also when root builds them.
writer=("$as_user")
"$as_user" test -w "$(dirname "$output")" || writer=()
"${writer[@]}" install -m 755 "$work/dispatcher.sif" "$output.$$"
"${writer[@]}" mv "$output.$$" "$output"
echo "$output"
