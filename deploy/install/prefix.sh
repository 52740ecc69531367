# shellcheck shell=bash disable=SC2034,SC2154
# The folder of an installation: its links, which lead to one version, and its MANIFEST.
# Part of deploy/install.sh, which sources it: variables come from there, and go there.

# Opens the prefix for this run alone.
take_prefix() {
    local marker=$prefix/.relion-dispatch
    if [[ ! -e $marker ]]; then
        [[ $action == install ]] || fail "nothing is installed in $prefix."
        [[ ! -e $prefix || -d $prefix ]] || fail "$prefix is a file: name a new or empty folder."
        # What is there may be the marker of a run that began at the same moment.
        [[ -z $(ls -A "$prefix" 2> /dev/null) || -e $marker ]] ||
            fail "$prefix contains other files: name a new or empty folder."
        mkdir -p "$prefix" || fail "the folder $prefix cannot be made: name a folder that you can write to."
    fi
    { exec 9>> "$marker"; } 2> /dev/null ||
        fail "$prefix cannot be written by $(id -un): run install.sh as the owner of the folder, or name another folder."
    flock -n 9 || {
        say "another run of install.sh is at work in $prefix: waiting for it"
        flock -w 3600 9 || fail "the other run has not ended within an hour: check that run, and try again."
    }
    [[ -s $marker ]] || echo "A folder of relion-dispatch, whole: see MANIFEST." >&9
    rm -rf "$prefix"/.new.*
    current=$(version_at current)
}

version_at() { # current|previous
    local target
    ! target=$(readlink "$prefix/$1") || basename "$target"
}

link() { # TARGET NAME    replaced in one step
    ln -sfn "$1" "$prefix/.new.$2"
    mv -T "$prefix/.new.$2" "$prefix/$2"
}

# All that people and RELION use goes through `current`: one rename switches it.
switch_to() { # VERSION
    local name
    if [[ $1 != "$current" ]]; then
        [[ -z $current ]] || link "versions/$current" previous
        link "versions/$1" current
    fi
    for name in bin share; do
        [[ $(readlink "$prefix/$name") == "current/$name" ]] || link "current/$name" "$name"
    done
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
        for file in "$prefix"/etc/relion-dispatch/window/*; do
            [[ ! -e $file ]] || echo "# made    ${file#"$prefix"/} (from site.json, by relion-dispatch site environment)"
        done
        echo "# own     .relion-dispatch (marks the folder; locked while install.sh is at work)"
        for file in current previous bin share; do
            [[ ! -L $prefix/$file ]] || echo "# link    $file -> $(readlink "$prefix/$file")"
        done
        for file in "$prefix"/versions/*/MANIFEST; do
            [[ -e $file ]] || continue # there is none yet
            echo "# version $(basename "$(dirname "$file")")"
            cat "$file"
        done
    } > "$prefix/.new.MANIFEST"
    mv "$prefix/.new.MANIFEST" "$prefix/MANIFEST"
}

rollback() {
    local previous
    previous=$(version_at previous)
    [[ -n $previous && $previous != "$current" && -e $prefix/versions/$previous/MANIFEST ]] ||
        fail "$prefix has no version before $current."
    switch_to "$previous"
    write_manifest "rolled back from $current to $previous"
    say "$previous is in use again; --rollback once more returns to $current."
}

prune() {
    local folder name size previous gone=()
    previous=$(version_at previous)
    for folder in "$prefix"/versions/*; do
        name=$(basename "$folder")
        [[ $name != "$current" && $name != "$previous" ]] || continue
        size=$(du -sh "$folder" | cut -f 1)
        rm -rf "$folder"
        say "removed the version $name ($size)"
        gone+=("$name")
    done
    [[ ${#gone[@]} -eq 0 ]] || write_manifest "removed ${gone[*]}"
    [[ ${#gone[@]} -gt 0 ]] || say "there is no old version to remove"
    say "kept: $current, which is in use${previous:+, and $previous, for --rollback}"
}
