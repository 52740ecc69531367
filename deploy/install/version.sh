# shellcheck shell=bash disable=SC2034,SC2154
# One version of the dispatcher, whole, in a folder of its own under PREFIX/versions.
# Part of deploy/install.sh, which sources it: variables come from there, and go there.

# A copy: the checkout may be one that cannot be written, or that changes meanwhile.
copy_sources() {
    mkdir "$work/source"
    tar -C "$root" -c --exclude=__pycache__ --exclude='*.sif' --mode=u+w,a+rX dispatcher config \
        job_template containers deploy pyproject.toml README.md LICENSE docs/schemas |
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
            echo "$named_apptainer${base:+ $base}"
            sha256sum < "$image"
        fi
    } | sha256sum | cut -c 1-12)
    version=$number-$key
    new=$prefix/versions/$version
    while [[ -e $new/MANIFEST ]] && ! (cd "$prefix" && sha256sum --check --status "$new/MANIFEST"); do
        say "$version was changed or damaged since it was installed: installing it again"
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

pip() { # PYTHON install|wheel ARGUMENT...
    env -u PIP_TARGET -u PIP_PREFIX -u PIP_ROOT -u PIP_USER -u PYTHONPATH -u PYTHONHOME "$1" -I -m pip \
        "$2" --disable-pip-version-check --no-input "${@:3}"
}

# Never a source: it would be built by tools from the index, which have no digest here.
install_locked() { # PYTHON FILE
    local from=()
    [[ -z $wheels ]] || from=(--no-index --find-links "$wheels")
    pip "$1" install --require-hashes --only-binary :all: "${from[@]}" -r "$work/source/deploy/$2"
}

# What makes the wheel stays out of the installation.
make_wheel() {
    local python_of_build=$work/build-venv/bin/python
    "$python" -I -m venv "$work/build-venv" || return
    install_locked "$python_of_build" build_requirements.txt || return
    pip "$python_of_build" wheel --no-deps --no-index --no-build-isolation --wheel-dir "$work" "$work/source"
}

make_venv() {
    quietly "making a Python environment with $python" "$python" -I -m venv "$new/venv"
    quietly "installing the libraries, with the digests of deploy/requirements.txt" \
        install_locked "$new/venv/bin/python" requirements.txt
    quietly "making the wheel of relion-dispatch $number, by what deploy/build_requirements.txt names" make_wheel
    quietly "installing relion-dispatch $number" \
        pip "$new/venv/bin/python" install --no-deps --no-index "$work"/relion_dispatch-*.whl
    programs=$new/venv/bin
}

make_appliance() {
    local name
    mkdir "$new/appliance"
    quietly "copying $image" cp "$image" "$new/appliance/dispatcher.sif"
    [[ -z $base ]] || echo "$base" > "$new/appliance/base" # for the next upgrade
    chmod a+r "$new/appliance/dispatcher.sif"
    for name in relion-dispatch relion_dispatch.py; do
        cp "$work/source/deploy/appliance.sh" "$new/appliance/$name"
    done
    programs=$new/appliance
}

# Runs the installed command: where root lacks capabilities, as in many virtual machines, Apptainer
# starts for it with none at all.
installed() { # ARGUMENT...
    if [[ $EUID -eq 0 && $form == appliance ]] && ! "$new/bin/relion-dispatch" --version &> /dev/null; then
        env APPTAINER_NO_PRIVS=1 "$new/bin/relion-dispatch" "$@"
    else
        "$new/bin/relion-dispatch" "$@"
    fi
}

# Prints its version, and writes manual pages and what shells complete by: from that folder, which the appliance
# sees then, wherever the prefix is.
try_it() { installed --version && (cd "$new/share" && installed help-files .); }

fill() { # TEMPLATE FILE [NAME]
    local known=''
    [[ $form == venv || -z $named_apptainer ]] ||
        known=": \"\${RELION_DISPATCH_APPTAINER:=$named_apptainer}\"\\nexport RELION_DISPATCH_APPTAINER"
    sed -e "s#@PREFIX@#$prefix#g; s#@VERSION@#$version#g; s#@PROGRAMS@#${programs:-}#g" \
        -e "s#@NAME@#${3:-}#g" -e "${known:+s|^@APPTAINER@\$|$known|; }/^@APPTAINER@\$/d" \
        "$work/source/deploy/environment/$1" > "$2"
}

make_version() {
    if [[ -e $new/MANIFEST ]]; then
        say "version $version is already installed"
        return
    fi
    made=yes
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
    cp -r "$work/source/docs/schemas" "$new/share/" # where files of the site and pins say they are
    quietly "trying it" try_it
    [[ $(< "$work/log") == "$number" ]] || fail "the installed version says that it is $(< "$work/log"), not $number."
    (cd "$prefix" && find "versions/$version" -type f -print0 | sort -z | xargs -0 sha256sum) > "$work/list"
    (cd "$prefix" && find "versions/$version" -type l -printf '# link    %p -> %l\n' | sort) >> "$work/list"
    cp "$work/list" "$new/.new"
    mv "$new/.new" "$new/MANIFEST"
}
