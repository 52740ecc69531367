# shellcheck shell=bash disable=SC2034,SC2154
# The form of an installation, and what it stands on: a Python or an Apptainer.
# Part of deploy/install.sh, which sources it: variables come from there, and go there.

choose_form() {
    find_users
    if [[ -z $form && -n $current ]]; then
        form=appliance
        [[ ! -d $prefix/versions/$current/venv ]] || form=venv
        say "form: $form, as it is"
    elif [[ -z $form && -n $site_file ]] && take_exported_form; then
        say "form: $form, as the exported site had it (choose with --venv or --appliance)"
    elif [[ -z $form ]]; then
        form=appliance
        ! find_python || form=venv
        [[ $form == venv ]] || find_apptainer || fail "there is neither Python 3.11 or newer with venv" \
            "(Debian: python3-venv; Red Hat: python3.11) nor Apptainer here: install one of them, load" \
            "its module, or name it with --python or in RELION_DISPATCH_APPTAINER (docs/install.md)."
        say "form: $form (choose with --venv or --appliance)"
    fi
    if [[ $form == venv ]]; then
        [[ -n ${python:-} ]] || find_python || [[ -z $closed ]] ||
            fail "other users cannot start $closed_python, because $closed (mode $(mode_of "$closed")) is closed to" \
                "them: install a Python 3.11 or newer for all users (Debian: python3-venv; Red Hat: python3.11)," \
                "name one with --python, or choose --appliance."
        [[ -n ${python:-} ]] ||
            fail "${wanted_python:-/usr/bin/python3} is not Python 3.11 or newer with venv: install" \
                "one (Debian: python3-venv; Red Hat: python3.11), name it with --python, or choose" \
                "--appliance."
    else
        find_apptainer || fail "--appliance needs Apptainer, and there is no" \
            "\"${RELION_DISPATCH_APPTAINER:-apptainer}\": install it (docs/install.md), load its module," \
            "or name it in RELION_DISPATCH_APPTAINER."
    fi
}

# Sets form to that of the site in the archive, unless this machine has nothing to run it with.
take_exported_form() {
    form=$(tar -xOf "$site_file" relion-dispatch-site/MANIFEST 2> /dev/null |
        sed -n '/^# form: \(venv\|appliance\)$/ { s/^# form: //p; q; }') || true
    local needs
    case $form in
        venv) needs="Python 3.11 or newer with venv"; find_python && return ;;
        appliance) needs=Apptainer; find_apptainer && return ;;
        *) return 1 ;; # an export of an earlier version
    esac
    say "the exported site had the form $form, and there is no $needs here: taking the other form"
    form=''
    return 1
}

# Sets base to the one that the installed version was built on, if --base named it.
find_base() {
    local known=$prefix/versions/$current/appliance/base
    [[ -z $base && -n $current && -r $known ]] || return 0
    base=$(< "$known")
    if [[ $base == docker || -r $base ]]; then
        say "base: $base, as before (choose with --base)"
    else
        say "$base, on which an earlier install built the appliance, no longer exists: choosing another base"
        base=''
    fi
}

# Sets python to the real path of a usable one: links to it may change.
find_python() {
    local candidate found paths candidates=("$wanted_python")
    closed='' closed_python=''
    if [[ -z $wanted_python ]]; then
        # The system's own comes first: a user's conda may be gone tomorrow.
        candidates=(/usr/bin/python3 /usr/bin/python3.{14..11} python3)
        [[ ! -d $prefix/versions/$current/venv ]] ||
            candidates=("$prefix/versions/$current/venv/bin/python" "${candidates[@]}")
    fi
    for candidate in "${candidates[@]}"; do
        # Its program, its library, and what of both is loaded.
        found=$("$candidate" -I -c '
import ensurepip, math, os, sys, venv
program = os.path.realpath(sys.executable)
print(program, os.path.dirname(os.__file__), sep="\n")
loaded = {line[line.find("/"):].strip() for line in open("/proc/self/maps") if "/" in line}
print(*loaded - {program}, sep="\n")
sys.exit(sys.version_info < (3, 11))' 2> /dev/null) || continue
        [[ $found == /* ]] || continue
        mapfile -t paths <<< "$found"
        python=${paths[0]}
        closed=$(first_closed start "$python" || first_closed read "${paths[@]:1}") || return 0
        closed_python=$python
        say "passing over $python: $closed (mode $(mode_of "$closed")) is closed to other users"
    done
    python=
    return 1
}

# Sets named_apptainer to the one that RELION_DISPATCH_APPTAINER names, else to the one that it named at
# an earlier install: users' shells know nothing of the variable. Empty: the one on PATH, as it changes.
find_apptainer() {
    local known=$prefix/versions/$current/bin/relion-dispatch
    named_apptainer=${RELION_DISPATCH_APPTAINER:-}
    if [[ -n $named_apptainer ]]; then
        named_apptainer=$(command -v "$named_apptainer") || return 1
        [[ $named_apptainer == /* ]] || named_apptainer=$PWD/$named_apptainer
    elif [[ -n $current && -r $known ]]; then
        # shellcheck disable=SC2016
        named_apptainer=$(sed -n 's/^: "\${RELION_DISPATCH_APPTAINER:=\(.*\)}"$/\1/p' "$known")
        [[ -z $named_apptainer || -x $named_apptainer ]] || {
            say "$named_apptainer, which an earlier install used, no longer exists: using the Apptainer on PATH"
            named_apptainer=
        }
    fi
    [[ $named_apptainer =~ ^[A-Za-z0-9_./+@%,=-]*$ ]] ||
        fail "$named_apptainer cannot be used: name an Apptainer whose path has no blanks, quotes or" \
            "other special characters."
    ! closed=$(first_closed start "${named_apptainer:-/}") ||
        fail "other users cannot start $named_apptainer, because $closed (mode $(mode_of "$closed")) is closed to" \
            "them: name an Apptainer that all users can start."
    [[ -z $named_apptainer ]] || export RELION_DISPATCH_APPTAINER=$named_apptainer
    command -v "${named_apptainer:-apptainer}" > /dev/null
}
