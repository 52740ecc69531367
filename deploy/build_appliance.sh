#!/usr/bin/env bash
# build_appliance.sh [--base FILE|docker] [--wheels FOLDER] [--output FILE]
# Builds the dispatcher's own image (Apptainer.def) from this checkout, tests it, and prints the path
# of its SIF on stdout (all else on stderr). One that is there already, from the same files, is not
# built again.
# No Python is needed here, and root only for the default base on a Debian.
#
#   --base      a Debian 12 image (SIF), or "docker" for the one on Docker Hub that Apptainer.def names
#               by its digest; default: one made with debootstrap where this machine is a Debian and the
#               caller is root or may be by sudo; else one that is in the cache already, else "docker"
#   --wheels    take Python's packages, those of deploy/build_requirements.txt too, from this folder
#   --output    default: relion-dispatch/images in the cache folder of the user who runs containers
set -euo pipefail
case ${1:-} in -h | --help) sed -n '/^set /q; 2,$s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;; esac

deploy=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$deploy")
as_user=$deploy/ordinary_user.sh
PATH=$PATH:/usr/local/bin:/usr/sbin:/sbin
# As dispatcher/config/apptainer_variables.py has it for builds.
unset LD_PRELOAD LD_AUDIT "${!APPTAINER_BIND@}" "${!APPTAINER_MOUNT@}" "${!APPTAINERENV_@}" \
    "${!SINGULARITY_BIND@}" "${!SINGULARITY_MOUNT@}" "${!SINGULARITYENV_@}"

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
apptainer=$(command -v "${RELION_DISPATCH_APPTAINER:-apptainer}") ||
    fail "${RELION_DISPATCH_APPTAINER:-apptainer} is not found: install Apptainer, or run deploy/setup_apptainer.sh"

is_root() { [[ $EUID -eq 0 ]] || sudo -n true 2> /dev/null; }
# Only root can be somebody else, and adds the ids for --fakeroot that a user lacks.
user=$(id -un)
! is_root || user=$("$as_user")
[[ $EUID -eq 0 ]] || as_user='env'
cache=$(getent passwd "$user" | cut -d: -f6)/.cache/relion-dispatch
[[ $EUID -eq 0 ]] || cache=$("$deploy/cache_folder.sh")

can_start_containers() {
    local libexec
    libexec=$("$apptainer" buildcfg | sed -n 's/^LIBEXECDIR=//p')
    [[ -u $libexec/apptainer/bin/starter-suid ]] || "$as_user" unshare --user true 2> /dev/null
}
can_start_containers ||
    fail "$user cannot make user namespaces on this machine, so Apptainer cannot build: have an admin" \
        "allow them (sysctl user.max_user_namespaces), or build the image on another machine."

is_debian() { command -v dpkg > /dev/null && "$deploy/debian/mirror.sh" &> /dev/null; }
if [[ -z $base ]]; then
    if is_debian && is_root; then
        base=$("$root/containers/debian_base.sh" bookworm)
    else
        base=$(find "$cache/bases" -name 'debian-bookworm-*.sif' -printf '%T@ %p\n' 2> /dev/null |
            sort -n | sed -n '$s/^[^ ]* //p') || true
        base=${base:-docker}
        say "base: $base (choose with --base)"
    fi
fi
[[ $base == docker || -r $base ]] || fail "the base image $base cannot be read: correct its path or its permissions"

cd "$root"
version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' dispatcher/__init__.py)
# What is in the image, and what makes it.
inputs=(dispatcher config job_template containers docs/schemas pyproject.toml README.md LICENSE Apptainer.def
    deploy/{requirements.txt,build_requirements.txt,relion_client.sh,relion_dispatch.py,relion-dispatch}
    deploy/{build_appliance.sh,pip_settings.py})
key=$({ find "${inputs[@]}" -type f ! -path '*/__pycache__/*' -print0 | sort -z | xargs -0 sha256sum
    [[ $base == docker ]] || stat -L -c '%s %Y' "$base"
    basename "$base"; ls "${wheels:-/dev/null}"; uname -m; } | sha256sum | cut -c 1-12)
if [[ -z $output ]]; then
    output=$cache/images/dispatcher-$version-$key.sif
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
    [[ -d $(dirname "$output") ]] || fail "the folder $(dirname "$output") for the image does not exist: make the folder, or name another file"
fi

work=$("$as_user" mktemp -d /var/tmp/relion-dispatch-appliance.XXXXXX)
log=$(mktemp)
trap 'rm -f "$log"; rm -rf "$work" 2> /dev/null || "$deploy/debian/as_root.sh" rm -rf "$work"' EXIT
"$as_user" mkdir -p "$work/build/checkout"
tar -c --exclude=__pycache__ "${inputs[@]}" | "$as_user" tar -x -C "$work/build/checkout"
"$as_user" cp "$work/build/checkout/Apptainer.def" "$work/"

advice='' # for a step that fails
step() { # SENTENCE COMMAND [ARGUMENT...]
    local start=$SECONDS
    say "$1 ..."
    shift
    (cd "$work" && "$@") > "$log" 2>&1 || {
        tail -n 40 "$log" >&2
        fail "that failed, see above${advice:+; $advice}: $*"
    }
    say "... done in $((SECONDS - start)) s"
}

# Run as the user who builds. What pip would read here is laid out for the Python in the image to make
# out: there may be none on this machine.
# shellcheck disable=SC2016 # for that shell
lay_out_pip_settings='
    cd "$1"
    mkdir -p settings/etc/xdg/pip home/.config/pip
    take() { [ ! -r "$1" ] || cat "$1" > "$2"; }
    take /etc/xdg/pip/pip.conf settings/etc/xdg/pip/pip.conf
    take /etc/pip.conf settings/etc/pip.conf
    take "$HOME/.pip/pip.conf" home/.config/pip/pip.conf
    take "${XDG_CONFIG_HOME:-$HOME/.config}/pip/pip.conf" home/.config/pip/pip.conf
    take "${PIP_CONFIG_FILE:-}" home/.config/pip/pip.conf
    {
        echo "[install]"
        [ -z "${PIP_INDEX_URL:-}" ] || echo "index-url = $PIP_INDEX_URL"
        [ -z "${PIP_EXTRA_INDEX_URL:-}" ] || echo "extra-index-url =" $PIP_EXTRA_INDEX_URL
        [ -z "${PIP_PROXY:-}" ] || echo "proxy = $PIP_PROXY"
        [ -z "${PIP_TRUSTED_HOST:-}" ] || echo "trusted-host =" $PIP_TRUSTED_HOST
    } > environment.conf
    named=$(cat settings/etc/xdg/pip/* settings/etc/pip.conf home/.config/pip/* 2> /dev/null |
        sed -n "s/^cert *[=:] *//p" | tail -n 1)
    for bundle in "${PIP_CERT:-}" "$named" /etc/ssl/certs/ca-certificates.crt \
        /etc/pki/tls/certs/ca-bundle.crt; do
        if [ -f "$bundle" ] && [ -r "$bundle" ]; then
            cat "$bundle" > ca.crt
            break
        fi
    done'

if [[ -n $wheels ]]; then
    "$as_user" mkdir "$work/build/wheels"
    tar -c -C "$wheels" . | "$as_user" tar -x -C "$work/build/wheels"
    printf '[global]\nno-index = true\nfind-links = /opt/relion-dispatch-build/wheels\n' |
        "$as_user" tee "$work/build/pip.conf" > /dev/null
else
    "$as_user" sh -euc "$lay_out_pip_settings" sh "$work/build"
fi
if [[ $base == docker ]]; then
    advice="if Docker Hub cannot be reached, name a Debian 12 image with --base, or build on another machine"
    origin=$(sed -n 's/^ *from=\(.*@sha256:[0-9a-f]\{64\}\)$/\1/p' Apptainer.def)
    step "fetching Debian 12 ($origin) from Docker Hub, as $user" \
        "$as_user" env APPTAINER_TMPDIR="$work" "$apptainer" build base.sif "docker://$origin"
else
    "$as_user" ln -s "$(realpath "$base")" "$work/base.sif"
fi
advice=
# A relative name for the base: the image keeps it.
step "building the image, as $user" \
    "$as_user" env APPTAINER_TMPDIR="$work" "$apptainer" build --fakeroot --notest \
    --build-arg bootstrap=localimage --build-arg from=base.sif --build-arg version="$version" dispatcher.sif Apptainer.def
step "testing it, as $user" \
    "$as_user" "$apptainer" test --cleanenv dispatcher.sif

# Files in the user's folder are the user's, also when root builds them; and what the user has built is
# read as the user, who could have put a link there.
writer=("$as_user")
"$as_user" test -w "$(dirname "$output")" || writer=()
# shellcheck disable=SC2016 # for that shell
"$as_user" cat "$work/dispatcher.sif" | "${writer[@]}" sh -c '
    umask 022; cat > "$1.$$" && chmod 755 "$1.$$" && mv "$1.$$" "$1"' sh "$output"
echo "$output"
