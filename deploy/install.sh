#!/usr/bin/env bash
# install.sh --prefix DIR [--venv [--python PROGRAM] [--wheels FOLDER]]
#            [--appliance [--image FILE | --base FILE|docker]]
#            [--from FILE [--images FOLDER]... [--build]]
# install.sh --prefix DIR --rollback | --prune
#
# Installs this checkout's dispatcher in DIR, which all submitting machines see under that path.
# Run again, it upgrades; the site's own files in DIR/etc/relion-dispatch stay as they are. Needs
# to write nothing but DIR. docs/install.md tells what lies where.
#
#   --venv       in a Python environment; default where there is Python 3.11 or newer
#   --python     the Python for it, for good (default: the system's)
#   --wheels     take all Python packages from FOLDER, nothing from the internet
#   --appliance  in a container image of its own: machines need Apptainer, and no Python
#   --image      that image, built elsewhere; default: built here, with no need of Python or root
#   --base       what it is built on: a Debian 12 image, or "docker" for Docker Hub's; default: what the
#                installed version was built on, else see deploy/build_appliance.sh
#   --from       set up the site in FILE, written by `relion-dispatch site export`, in the form that it
#                had; ends with a table of what is equal, and status 3 where something is not
#   --images     look in FOLDER for the site's images
#   --build      build the images that are not found
#   --rollback   go back to the version before; twice: forth again
#   --prune      remove all versions but the present one and the one before
set -euo pipefail
umask 022
export LC_ALL=C
PATH=$PATH:/usr/local/bin

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { echo "install.sh: $*" >&2; }
fail() { say "$*"; exit 1; }
usage() { sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

# What the parts share. new: the folder of the version that is installed; made: not empty where this run
# made it; site_files: those of the site's files that it wrote.
# shellcheck disable=SC2034
prefix='' form='' image='' action='' version='' new='' made='' users='' closed_prefix='' site_files=()
for part in arguments reach form version site prefix; do
    # shellcheck source=/dev/null # each is looked at by itself
    . "$root/deploy/install/$part.sh"
done

report() {
    cat >&2 << END
relion-dispatch $version is installed in $prefix. For its users:
  sh, bash:    . $prefix/share/relion-dispatch.sh
  csh, tcsh:   source $prefix/share/relion-dispatch.csh
  modules:     module use $prefix/share/modulefiles; module load relion-dispatch
END
    [[ -n $users ]] ||
        say "only $(id -un) can use this installation, because $closed_prefix is closed to other users."
    if [[ -n $site_file ]]; then
        say "the site is from elsewhere, and none of its programs was run. Look at it, then run \`relion-dispatch check\`."
        return
    fi
    local problems count
    if ! problems=$(installed check 2>&1); then
        problems=$(grep -vE "^(The site's folder |mended: |remark: )" <<< "$problems") || true
        count=$(wc -l <<< "$problems")
        if [ "$count" = 1 ]; then
            say "\`relion-dispatch check\` names 1 problem:"
        else
            say "\`relion-dispatch check\` names $count problems; the first of them:"
        fi
        head -n 5 <<< "$problems" >&2
    fi
}

install() {
    choose_form
    copy_sources
    if [[ $form == appliance && -z $image ]]; then
        find_base
        image=$("$root/deploy/build_appliance.sh" ${base:+--base "$base"})
    fi
    name_version
    make_version
    status=0
    if [[ -n $site_file ]]; then import_site; else write_examples; fi
    switch_to "$version"
    write_window
    write_manifest "installed $version ($form${base:+ on $base}) from $root${site_file:+, with the site of $site_file}"
    report
    exit "$status"
}

read_arguments "$@"
work=$(mktemp -d)
trap 'rm -rf "$work"; [[ -z $new || -e $new/MANIFEST ]] || rm -rf "$new"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
take_prefix
"$action"
