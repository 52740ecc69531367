#!/usr/bin/env bash
# An ext4 with few inodes, in a file of its own. It is what a quota on files is for programs: no new
# file, while a file that is there may still get another name.
#
#   small_ext4.sh start DIR    makes DIR/disk, for the owner of the folder above; prints its path
#   small_ext4.sh stop DIR     takes DIR away
#
# Root mounts it (sudo is used if needed).
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

if ((EUID != 0)); then
    exec sudo bash "$(readlink -f "${BASH_SOURCE[0]}")" "$@"
fi
case $1 in
start)
    owner=$(stat -c %u "$(dirname "$2")")
    mkdir -p "$2/disk"
    truncate -s 64M "$2/image"
    mkfs.ext4 -q -N 64 -E "root_owner=$owner:$owner" "$2/image" >&2
    mount -o loop "$2/image" "$2/disk" >&2
    echo "$2/disk"
    ;;
stop)
    umount "$2/disk" 2>/dev/null || true
    rm -rf "${2:?}"
    ;;
esac
