#!/usr/bin/env bash
# install.sh --prefix DIR [--venv [--python PROGRAM] [--wheels FOLDER] | --appliance [--image FILE]]
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
#   --image      that image, built elsewhere; default: built here
#   --from       set up the site in FILE, written by `relion-dispatch site export`; ends with a
#                table of what is equal, and status 3 where something is not
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

read_arguments() {
    prefix='' form='' wanted_python='' wheels='' image='' site_file='' action=install
    import_options=()
    while [[ $# -gt 0 ]]; do
        case $1 in
            --prefix | --python | --wheels | --image | --from | --images)
                [[ $# -ge 2 && -n $2 ]] || { usage >&2; exit 2; }
                local path=$2
                [[ $1 == --prefix || $1 == --python ]] || path=$(existing "$2")
                case $1 in
                    --prefix) prefix=$path ;;
                    --python) wanted_python=$path ;;
                    --wheels) wheels=$path ;;
                    --image) image=$path ;;
                    --from) site_file=$path ;;
                    --images) import_options+=(--images "$path") ;;
                esac
                shift 2
                ;;
            --venv | --appliance)
                [[ -z $form || $form == "${1#--}" ]] || fail "choose one of --venv and --appliance."
                form=${1#--}
                shift
                ;;
            --build) import_options+=(--build); shift ;;
            --rollback | --prune) action=${1#--}; shift ;;
            -h | --help) usage; exit 0 ;;
            *) say "unknown argument: $1"; usage >&2; exit 2 ;;
        esac
    done
    [[ -n $prefix ]] || { usage >&2; exit 2; }
    [[ -n $site_file || ${#import_options[@]} -eq 0 ]] || fail "--images and --build go with --from."
    [[ -z $image || $form != venv ]] || fail "--image goes with --appliance."
    [[ -z $image ]] || form=appliance
    [[ -z $wheels$wanted_python || $form != appliance ]] || fail "--wheels and --python go with --venv."
    [[ -z $wheels$wanted_python ]] || form=venv
    [[ $prefix == /* ]] || prefix=$PWD/$prefix
    while [[ $prefix == ?*/ ]]; do prefix=${prefix%/}; done
    # RELION hands its queue command to a shell; csh, Lua and Tcl read the path as well.
    [[ $prefix =~ ^[A-Za-z0-9_./+@%,=-]+$ ]] ||
        fail "$prefix cannot be the prefix: RELION's queue command may hold no blanks, quotes or" \
            "other special characters; choose another path."
}

existing() { # PATH
    [[ -e $1 ]] || fail "$1 does not exist."
    (cd "$(dirname "$1")" && echo "$PWD/$(basename "$1")")
}

# Opens the prefix for this run alone.
take_prefix() {
    local marker=$prefix/.relion-dispatch
    if [[ ! -e $marker ]]; then
        [[ $action == install ]] || fail "nothing is installed in $prefix."
        [[ ! -e $prefix || -d $prefix ]] || fail "$prefix is a file: name a new or empty folder."
        [[ -z $(ls -A "$prefix" 2> /dev/null) ]] ||
            fail "$prefix holds something else: name a new or empty folder."
        mkdir -p "$prefix" || fail "the folder $prefix cannot be made: name one that you may write."
    fi
    { exec 9>> "$marker"; } 2> /dev/null ||
        fail "$prefix cannot be written by $(id -un): install as its owner, or name another folder."
    flock -n 9 || {
        say "another run of install.sh is at work in $prefix: waiting for it"
        flock -w 3600 9 || fail "it has not ended within an hour: look at it, and try again."
    }
    [[ -s $marker ]] || echo "A folder of relion-dispatch, whole: see MANIFEST." >&9
    rm -rf "$prefix"/.new.*
    current=$(version_at current)
}

version_at() { # current|previous
    local target
    ! target=$(readlink "$prefix/$1") || basename "$target"
}

# Sets python to the real path of a usable one: links to it may change.
find_python() {
    local candidate candidates=("$wanted_python")
    if [[ -z $wanted_python ]]; then
        # The system's own comes first: a user's conda may be gone tomorrow.
        candidates=(/usr/bin/python3 /usr/bin/python3.{14..11} python3)
        [[ ! -d $prefix/versions/$current/venv ]] ||
            candidates=("$prefix/versions/$current/venv/bin/python" "${candidates[@]}")
    fi
    for candidate in "${candidates[@]}"; do
        python=$("$candidate" -I -c '
import ensurepip, os, sys, venv
print(os.path.realpath(sys.executable))
sys.exit(sys.version_info < (3, 11))' 2> /dev/null) && [[ $python == /* ]] && return
    done
    python=
    return 1
}

choose_form() {
    if [[ -z $form && -n $current ]]; then
        form=appliance
        [[ ! -d $prefix/versions/$current/venv ]] || form=venv
        say "form: $form, as it is"
    elif [[ -z $form ]]; then
        form=appliance
        ! find_python || form=venv
        say "form: $form (choose with --venv or --appliance)"
    fi
    if [[ $form == venv ]]; then
        [[ -n ${python:-} ]] || find_python ||
            fail "${wanted_python:-/usr/bin/python3} is no Python 3.11 or newer with venv: install" \
                "one (Debian: python3-venv; Red Hat: python3.11), name it with --python, or choose" \
                "--appliance."
    else
        apptainer=${RELION_DISPATCH_APPTAINER:-apptainer}
        command -v "$apptainer" > /dev/null || fail "--appliance needs Apptainer, and there is no" \
            "\"$apptainer\": install it (docs/install.md), load its module, or name it in" \
            "RELION_DISPATCH_APPTAINER."
    fi
}

# A copy: the checkout may be one that cannot be written, or that changes meanwhile.
copy_sources() {
    mkdir "$work/source"
    tar -C "$root" -c --exclude=__pycache__ --exclude='*.sif' --mode=u+w dispatcher config \
        job_template containers deploy pyproject.toml README.md LICENSE |
        tar -C "$work/source" -x --no-same-owner --no-same-permissions
    number=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$work/source/dispatcher/__init__.py")
}

name_version() {
    local key
    key=$({
        echo "$form $prefix"
        (cd "$work/source" && find . -type f -print0 | sort -z | xargs -0 sha256sum)
        if [[ $form == venv ]]; then
            echo "$python"
            "$python" -I -VV
        else
            sha256sum < "$image"
        fi
    } | sha256sum | cut -c 1-12)
    version=$number-$key
    new=$prefix/versions/$version
    while [[ -e $new/MANIFEST ]] && ! (cd "$prefix" && sha256sum --check --status "$new/MANIFEST"); do
        say "$version was changed or damaged since it was installed: installing it anew"
        version=$version-again
        new=$prefix/versions/$version
    done
}

quietly() { # SENTENCE COMMAND [ARGUMENT...]
    say "$1 ..."
    shift
    "$@" > "$work/log" 2>&1 || {
        tail -n 40 "$work/log" >&2
        fail "that failed, see above; $([[ -n $current ]] && echo "$current stays in use." || echo "nothing is installed.")"
    }
}

pip() {
    local from=()
    [[ -z $wheels ]] || from=(--no-index --find-links "$wheels")
    env -u PIP_TARGET -u PIP_PREFIX -u PIP_ROOT -u PIP_USER "$new/venv/bin/python" -I -m pip \
        install --disable-pip-version-check --no-input "${from[@]}" "$@"
}

make_venv() {
    quietly "making a Python environment with $python" "$python" -I -m venv "$new/venv"
    quietly "installing the libraries, with the digests of deploy/requirements.txt" \
        pip --require-hashes -r "$work/source/deploy/requirements.txt"
    quietly "installing relion-dispatch $number" pip --no-deps "$work/source"
    programs=$new/venv/bin
}

make_appliance() {
    local name
    mkdir "$new/appliance"
    quietly "copying $image" cp "$image" "$new/appliance/dispatcher.sif"
    for name in relion-dispatch relion_dispatch.py; do
        cp "$work/source/deploy/appliance.sh" "$new/appliance/$name"
    done
    programs=$new/appliance
}

# Runs the command as anyone may: where root lacks capabilities, it cannot start containers itself.
anyone() { # COMMAND [ARGUMENT...]
    if [[ $EUID -eq 0 && $form == appliance ]] && ! "$new/bin/relion-dispatch" --version &> /dev/null; then
        setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/ "$@"
    else
        "$@"
    fi
}

fill() { # TEMPLATE FILE [NAME]
    sed -e "s#@PREFIX@#$prefix#g; s#@VERSION@#$version#g; s#@PROGRAMS@#${programs:-}#g" \
        -e "s#@NAME@#${3:-}#g" "$work/source/deploy/environment/$1" > "$2"
}

make_version() {
    if [[ -e $new/MANIFEST ]]; then
        say "version $version is there already"
        return
    fi
    rm -rf "$new" # what an interrupted run left
    mkdir -p "$new"/{bin,share/modulefiles}
    "make_$form"
    local name
    for name in relion-dispatch relion_dispatch.py; do
        fill command.sh "$new/bin/$name" "$name"
        chmod 755 "$new/bin/$name"
    done
    for name in sh csh; do
        fill "relion-dispatch.$name" "$new/share/relion-dispatch.$name"
    done
    fill relion-dispatch.lua "$new/share/modulefiles/relion-dispatch.lua"
    fill relion-dispatch.tcl "$new/share/modulefiles/relion-dispatch"
    cp "$work/source/job_template/relion_template.sh" "$new/share/"
    quietly "trying it" anyone "$new/bin/relion-dispatch" --version
    [[ $(< "$work/log") == "$number" ]] || fail "it says it is $(< "$work/log"), not $number."
    (cd "$prefix" && find "versions/$version" -type f -print0 | sort -z | xargs -0 sha256sum) > "$work/list"
    (cd "$prefix" && find "versions/$version" -type l -printf '# link    %p -> %l\n' | sort) >> "$work/list"
    cp "$work/list" "$new/.new"
    mv "$new/.new" "$new/MANIFEST"
}

# Only where the site has no folder yet: it may do without one of these files later.
write_examples() {
    local folder=$prefix/etc/relion-dispatch
    [[ ! -d $folder ]] || return 0
    if [[ -d /etc/relion-dispatch ]]; then
        say "the site's own files are in /etc/relion-dispatch, and stay there"
        return
    fi
    mkdir -p "$prefix/etc" "$prefix/.new.site/job_template"
    mkdir -m 1777 "$prefix/.new.site/projects" # where users' jobs note their projects
    cat > "$prefix/.new.site/site.json" << 'END'
{
  "__comment__": [
    "This site's settings, laid upon the shipped ones key by key. docs/site.md has every key;",
    "`relion-dispatch check` finds mistakes. For a Slurm cluster, for instance:",
    "  \"scheduler\": \"slurm\",",
    "  \"partitions\": {\"gpu\": {\"cores\": 64, \"gpus\": 4, \"gpu_memory\": \"48G\"}},",
    "  \"job_parameters\": {\"submit\": {\"partition\": \"gpu\"}}"
  ]
}
END
    cat > "$prefix/.new.site/images.json" << 'END'
{
  "__comment__": [
    "This site's container images: `relion-dispatch images add FILE` or `images build` enter them,",
    "and docs/images.md describes them."
  ]
}
END
    mv -T "$prefix/.new.site" "$folder"
    site_files=(etc/relion-dispatch/{site,images}.json)
}

link() { # TARGET NAME    replaced in one step
    ln -sfn "$1" "$prefix/.new.$2"
    mv -T "$prefix/.new.$2" "$prefix/$2"
}

# All that people and RELION use goes through `current`: one rename switches it.
switch_to() { # VERSION
    [[ $1 != "$current" ]] || return 0
    [[ -z $current ]] || link "versions/$current" previous
    link "versions/$1" current
    [[ -L $prefix/bin ]] || link current/bin bin
    [[ -L $prefix/share ]] || link current/share share
}

write_manifest() { # WHAT WAS DONE
    local file
    {
        echo "# relion-dispatch in $prefix, by deploy/install.sh."
        echo "# To compare: cd $prefix && sha256sum --check --quiet MANIFEST"
        { grep -E '^# (history|site) ' "$prefix/MANIFEST" 2> /dev/null || true; }
        echo "# history $(date -u +%Y-%m-%dT%H:%M:%SZ) $(id -un)@$(uname -n): $1"
        for file in "${site_files[@]}"; do
            echo "# site    $file (written once; the site's own since then)"
        done
        for file in current previous bin share; do
            [[ ! -L $prefix/$file ]] || echo "# link    $file -> $(readlink "$prefix/$file")"
        done
        for file in "$prefix"/versions/*/MANIFEST; do
            echo "# version $(basename "$(dirname "$file")")"
            cat "$file"
        done
    } > "$prefix/.new.MANIFEST"
    mv "$prefix/.new.MANIFEST" "$prefix/MANIFEST"
}

import_site() {
    local projects=$prefix/etc/relion-dispatch/projects
    mkdir -p "${projects%/*}"
    [[ -d $projects ]] || mkdir -m 1777 "$projects"
    status=0
    RELION_DISPATCH_SITE=$prefix/etc/relion-dispatch \
        "$new/bin/relion-dispatch" site import "${import_options[@]}" "$site_file" 9>&- || status=$?
    [[ $status -eq 0 || $status -eq 3 ]] || fail "the site in $site_file could not be set up, see above."
}

report() {
    cat >&2 << END
relion-dispatch $version is installed in $prefix. For its users:
  sh, bash:    . $prefix/share/relion-dispatch.sh
  csh, tcsh:   source $prefix/share/relion-dispatch.csh
  modules:     module use $prefix/share/modulefiles; module load relion-dispatch
END
    local problems
    if ! problems=$(anyone "$prefix/bin/relion-dispatch" check 2>&1); then
        say "\`relion-dispatch check\` names $(wc -l <<< "$problems") problems, the first of them:"
        head -n 5 <<< "$problems" >&2
    fi
}

install() {
    choose_form
    copy_sources
    [[ $form != appliance || -n $image ]] || image=$("$root/deploy/build_appliance.sh")
    name_version
    make_version
    status=0 site_files=()
    if [[ -n $site_file ]]; then import_site; else write_examples; fi
    switch_to "$version"
    write_manifest "installed $version ($form) from $root${site_file:+, with the site of $site_file}"
    report
    exit "$status"
}

rollback() {
    local previous
    previous=$(version_at previous)
    [[ -n $previous && $previous != "$current" && -e $prefix/versions/$previous/MANIFEST ]] ||
        fail "there is no version before $current in $prefix."
    switch_to "$previous"
    site_files=()
    write_manifest "rolled back from $current to $previous"
    say "$previous is in use again; --rollback once more returns to $current."
}

prune() {
    local folder name
    for folder in "$prefix"/versions/*; do
        name=$(basename "$folder")
        [[ $name == "$current" || $name == "$(version_at previous)" ]] || {
            say "removing $name"
            rm -rf "$folder"
        }
    done
    site_files=()
    write_manifest "removed old versions"
}

read_arguments "$@"
work=$(mktemp -d)
trap 'rm -rf "$work"; [[ -z ${new:-} || -e $new/MANIFEST ]] || rm -rf "$new"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
take_prefix
"$action"
