#!/bin/bash
# Prints a folder with NVIDIA's real MPS control daemon, from Debian's non-free section. It starts,
# answers and stops without a GPU; nothing is installed.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
folder=$("$root/deploy/cache_folder.sh")/mps-bookworm
mkdir -p "$folder"
exec 9>"$folder/lock"
flock 9
if [ ! -x "$folder/bin/nvidia-cuda-mps-control" ]; then
    export COMPONENTS=non-free
    apt=("$root/deploy/debian/suite_apt.sh" bookworm "$folder/apt" apt-get)
    "${apt[@]}" -qq update >&2
    (cd "$folder" && rm -f ./*.deb && "${apt[@]}" -qq download nvidia-cuda-mps >&2)
    dpkg -x "$folder"/nvidia-cuda-mps_*.deb "$folder/unpacked"
    mkdir -p "$folder/bin"
    cp "$folder/unpacked/usr/bin/nvidia-cuda-mps-control" "$folder/bin/copy"
    mv "$folder/bin/copy" "$folder/bin/nvidia-cuda-mps-control"
fi
echo "$folder/bin"
