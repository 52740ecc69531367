#!/usr/bin/env bash
# fuse_device.sh [DEVICE]
# Sees to it that users can mount images through DEVICE (default: /dev/fuse), and says on stderr what it
# changes or what is left to do. A device that the site has given to a group, or to users by an access
# list, stays as it is.
set -euo pipefail
case ${1:-} in -h | --help) sed -n '/^set /q; 2,$s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;; esac

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
device=${1:-/dev/fuse}

say() { echo "fuse_device.sh: $*" >&2; }

# For root: whether those can who are in no group.
can_open() {
    local user=()
    [[ $EUID -ne 0 ]] || user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    "${user[@]}" test -r "$device" && "${user[@]}" test -w "$device"
}

if [[ ! -e $device ]]; then
    say "warning: there is no $device, so every start will unpack its image (try: modprobe fuse)"
    exit 0
fi
! can_open || exit 0

# The letters that ls prints, a + behind them where there is an access list.
read -r letters _ _ group _ < <(LC_ALL=C ls -ld "$device")
if [[ $letters == *+ ]]; then
    say "$device is opened by an access list of this site's, and stays as it is: users who are not in it" \
        "unpack images at every start (to see the list: getfacl $device)"
elif [[ $group != root ]]; then
    say "$device is for the group $group, as this site has it, and stays so: other users unpack images at" \
        "every start (to add a user to the group: usermod --append --groups $group USER)"
else
    # Without udev it is root's alone.
    say "opening $device, which is root's alone, to all users (chmod a+rw), until the next start of the machine"
    "$here/as_root.sh" chmod a+rw "$device" ||
        say "warning: $device could not be opened, so ordinary users will unpack images at every start"
fi
