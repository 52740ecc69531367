#!/bin/bash
# host_relion.sh IMAGE
# Prints a folder with a RELION for the host: the programs of a test image and their Open MPI, taken out of the
# image, and a module `relion/host` that leads to them, for `module use FOLDER/modules`. The machine's own
# libraries stay as they are, and its PATH has no RELION. The image's Debian must not be newer than the machine.
set -euo pipefail

image=$1
name=$(basename "$image" .sif)
folder=$("$(dirname "${BASH_SOURCE[0]}")/../../deploy/cache_folder.sh")/host-$name
mkdir -p "$folder"
exec 9>"$folder/lock"
flock 9
if [ ! -e "$folder/complete" ]; then
    rm -rf "${folder:?}/usr"
    # All but the C library, which belongs to the machine's own kernel and loader.
    # shellcheck disable=SC2016 # for the bash in the container
    "${RELION_TEST_APPTAINER:-apptainer}" --quiet exec --cleanenv "$image" bash -c '
        shopt -s nullglob
        programs=(/usr/bin/relion_* /usr/bin/{mpirun,mpirun.openmpi,orterun,orted})
        mpi=(/usr/lib/*/openmpi)
        libraries=$(ldd "${programs[@]}" "$mpi"/lib/*/*.so 2>/dev/null | awk "\$3 ~ /^\// { print \$3 }" |
            sed "s,^/lib/,/usr/lib/," | sort -u | grep -Ev "/(libc|libm|libdl|librt|libpthread|libresolv)\.so")
        tar -ch --ignore-failed-read "${programs[@]}" "${mpi[@]}" /usr/share/openmpi /etc/openmpi $libraries' \
        2>/dev/null | tar -x -C "$folder"
    : >"$folder/complete"
fi
lib=$(cd "$folder" && echo usr/lib/*-linux-*)
mkdir -p "$folder/modules/relion"
cat >"$folder/modules/relion/host.lua" <<END
prepend_path("PATH", "$folder/usr/bin")
prepend_path("LD_LIBRARY_PATH", "$folder/$lib")
setenv("OPAL_PREFIX", "$folder/usr")
setenv("OPAL_LIBDIR", "$folder/$lib/openmpi/lib")
setenv("OPAL_SYSCONFDIR", "$folder/etc/openmpi")
setenv("OMPI_MCA_mpi_yield_when_idle", "1") -- the nodes of the test cluster share a few cores
END
echo "$folder"
