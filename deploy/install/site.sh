# shellcheck shell=bash disable=SC2034,SC2154
# The site's own files in PREFIX/etc/relion-dispatch, written once, and what is made of them.
# Part of deploy/install.sh, which sources it: variables come from there, and go there.

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
  "$schema": "../../share/schemas/site.schema.json",
  "__comment__": [
    "This site's settings, laid upon the shipped ones key by key. docs/site.md has every key;",
    "`relion-dispatch check` finds mistakes. `relion-dispatch site init` asks the scheduler, and writes",
    "this file. By hand, for a cluster, NAME being its scheduler's name there:",
    "  \"scheduler\": \"NAME\",",
    "  \"partitions\": {\"gpu\": {\"cores\": 64, \"gpus\": 4, \"gpu_memory\": \"48G\"}},",
    "  \"job_parameters\": {\"submit\": {\"partition\": \"gpu\"}}"
  ]
}
END
    cat > "$prefix/.new.site/images.json" << 'END'
{
  "$schema": "../../share/schemas/images.schema.json",
  "__comment__": [
    "This site's container images: `relion-dispatch images add FILE` or `images build` enter them,",
    "and docs/images.md describes them."
  ]
}
END
    mv -T "$prefix/.new.site" "$folder"
    site_files=(etc/relion-dispatch/{site,images}.json etc/relion-dispatch/projects/)
}

# Sets status, 3 where the site here is not in all the exported one.
import_site() {
    local projects=etc/relion-dispatch/projects line
    mkdir -p "$prefix/${projects%/*}"
    [[ -d $prefix/$projects ]] || {
        mkdir -m 1777 "$prefix/$projects"
        site_files+=("$projects/")
    }
    status=0
    RELION_DISPATCH_SITE=$prefix/etc/relion-dispatch \
        installed site import "${import_options[@]}" "$site_file" 9>&- > >(tee "$work/imported") || status=$?
    wait "$!"
    while IFS= read -r line; do
        [[ $line != "wrote: $prefix/"* ]] || site_files+=("${line#"wrote: $prefix/"}")
    done < "$work/imported"
    [[ $status -eq 0 || $status -eq 3 ]] || {
        # What was made for it is not left without being in the MANIFEST.
        [[ -z $made ]] || rm -rf "$new"
        write_manifest "tried to set up the site of $site_file with $version"
        fail "the site in $site_file could not be set up, see above."
    }
}

# What the files in share/ read of the site. With mistakes in site.json nothing is written, and `check` names them.
write_window() {
    local said
    said=$(
        unset RELION_DISPATCH_SITE # the one of this prefix, whatever its installer works with
        installed site environment 2>&1 9>&-
    ) || say "the fields of RELION's window are not as site.json says: ${said//$'\n'/ }"
}
