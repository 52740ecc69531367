#!/usr/bin/env bash
# ordinary_user.sh                        prints the user who runs containers
# ordinary_user.sh COMMAND [ARGUMENT...]  runs a command as that user
#
# Apptainer as root stops at "Requesting capability set" where root lacks
# CAP_SYS_RESOURCE, as in many virtual machines. So containers run as the
# caller; if that is root, as the one who called sudo; else as relion-demo,
# who is created for it. Ids for `apptainer build --fakeroot` are seen to.
set -euo pipefail
case ${1:-} in -h | --help) sed -n '/^set /q; 2,$s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;; esac

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# Ordinary users' PATH on Debian lacks the place of usermod.
PATH=$PATH:/usr/sbin:/sbin
demo_user=relion-demo

say() { echo "ordinary_user.sh: $*" >&2; }

choose_user() {
    if [[ $EUID -ne 0 ]]; then
        id -un
    elif [[ -n ${SUDO_USER:-} && $SUDO_USER != root ]]; then
        echo "$SUDO_USER"
    else
        id -u "$demo_user" > /dev/null 2>&1 || {
            say "creating the user $demo_user (containers do not run well as root)"
            useradd -m -s /bin/bash "$demo_user" >&2
        }
        echo "$demo_user"
    fi
}

has_ids() { # USER /etc/subuid|/etc/subgid
    grep -qsE "^($1|$(id -u "$1")):" "$2"
}

ensure_ids() { # USER
    local kind file first
    # Without root there is none to add, and Apptainer can do without them in many builds.
    [[ $EUID -eq 0 ]] || command -v sudo > /dev/null || return 0
    for kind in uid gid; do
        file=/etc/sub$kind
        ! has_ids "$1" "$file" || continue
        # The first id after all ranges given so far.
        first=$(awk -F: 'BEGIN { n = 100000 } $2 + $3 > n { n = $2 + $3 }
            END { printf "%d", n }' "$file" 2> /dev/null) || true
        say "adding 65536 ids for $1 to $file, for builds with --fakeroot"
        "$here/debian/as_root.sh" usermod --add-sub"$kind"s "$first-$((first + 65535))" "$1" >&2 ||
            say "no ids for $1 in $file: containers run, builds may not"
    done
}

# Two at once must not create the user, or pick the same ids, twice.
exec 9< "${BASH_SOURCE[0]}"
flock 9
user=$(choose_user)
ensure_ids "$user"
exec 9<&-

if [[ $# -eq 0 ]]; then
    echo "$user"
elif [[ $EUID -ne 0 ]]; then
    exec "$@"
else
    home=$(getent passwd "$user" | cut -d: -f6)
    # Root's own folders are closed to the user. setpriv keeps the process id,
    # so that a signal sent to this script reaches the command.
    exec setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups -- \
        env -u TMPDIR -u XDG_RUNTIME_DIR -u XDG_CACHE_HOME -u XDG_CONFIG_HOME \
        -u XDG_DATA_HOME -u XDG_STATE_HOME HOME="$home" USER="$user" LOGNAME="$user" "$@"
fi
