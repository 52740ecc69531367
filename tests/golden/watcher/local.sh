#!/bin/bash
exec </dev/null >/dev/null 2>&1
while kill -0 "$1"; do tail --pid="$1" -f /dev/null || sleep 1; done
# Nothing that its user has set or exported changes this script; functions of environment modules stay.
POSIXLY_CORRECT=yes; set +aefkux; unset -f unset set declare grep read; unset POSIXLY_CORRECT; set +o posix
while read -r _ _ dispatch_word; do unset -f "$dispatch_word"; done < <(declare -Fx | grep -vE ' (module|ml|switchml|scl|spack|_.*)$')
for dispatch_word in "${!dispatch_@}"; do [[ $dispatch_word == dispatch_scheduler_job ]] || unset "$dispatch_word"; done
# The end of Refine3D/job011, written by relion-dispatch 0.2.0

cd /data/project || exit 1
dispatch_waiting_program=RELION dispatch_job=Refine3D/job011
dispatch_token=0123456789ab dispatch_watched=$1
# Others may write in a project's folders too. They can put a link, a pipe, or a second name of another file at any
# name there. So a folder is opened once, and its files are reached through the descriptor, wherever its path leads
# later; a file is looked at before it is changed; and nothing waits for the other end of a pipe.

# Opens the job's folder: from now on it is $dispatch_folder. On another node, the folder must be the one that the
# script has opened.
enter_job() {
    local found
    dispatch_folder=/dev/null
    { exec {found}<"$dispatch_job/."; } 2>/dev/null || return 1
    if [ "${dispatch_folder_number:-}" ] && [ "$(stat -Lc %i "/proc/self/fd/$found")" != "$dispatch_folder_number" ]; then
        exec {found}<&-
        return 1
    fi
    dispatch_folder=/proc/self/fd/$found
}

# Opens a folder that this user has made in PARENT, and sets dispatch_opened. What a link leads to is not in PARENT.
open_folder() { # PARENT NAME
    local found
    { exec {found}<"$1/$2/."; } 2>/dev/null || return 1
    dispatch_opened=/proc/self/fd/$found
    [ -O "$dispatch_opened/." ] && [ "$dispatch_opened/.." -ef "$1/." ] && return 0
    exec {found}<&-
    return 1
}

# What a regular file holds, at most 4 MiB of it; of anything else nothing.
read_file() { # FILE
    dd if="$1" iflag=nofollow,nonblock,fullblock bs=4M count=1 status=none 2>/dev/null
}

# Makes a file of what it reads, unless anything has that name.
new_file() { # FILE
    dd of="$1" conv=excl status=none 2>/dev/null
}

# Opens a regular file of one name, for reading and writing, and sets dispatch_opened. Any other name of a file may be
# anywhere. Opening is not writing: a link that is put there at this moment is seen afterwards.
open_file() { # FILE
    local found kept
    [ -f "$1" ] && [ ! -L "$1" ] && { exec {found}<>"$1"; } 2>/dev/null || return 1
    dispatch_opened=/proc/self/fd/$found
    kept=$(stat -Lc %f:%h:%d:%i "$dispatch_opened")
    [[ $kept == 8???:1:* && $kept == "$(stat -c %f:%h:%d:%i "$1")" ]] && return 0
    exec {found}<&-
    return 1
}

# The same for a text that the job writes: it is made if it is missing, and what is no file of one name is renamed to
# the first free FILE.1, FILE.2, ..., so that nothing is lost.
open_text() { # FILE
    local number=1
    new_file "$1" </dev/null
    open_file "$1" && return
    [[ $(stat -c %f:%h "$1") != 8???:1 ]] || return
    while [ -e "$1.$number" ] || [ -L "$1.$number" ]; do number=$((number + 1)); done
    mv -nT "$1" "$1.$number" 2>/dev/null && new_file "$1" </dev/null && open_file "$1"
}

# Removes a file, a link or an empty folder. Others may have given the name to a folder of this user's that is not empty.
remove_name() { # PATH
    rm -f "$1" || rmdir "$1"
} 2>/dev/null

# Opens the folder for RELION's control files, in which no other user may write, as $dispatch_kept.
open_control() {
    dispatch_kept=/dev/null
    open_folder "$dispatch_folder" "${dispatch_control##*/}" && dispatch_kept=$dispatch_opened
}

# Removes such a folder with what a job has in it, and nothing else.
remove_control() { # NAME
    if open_folder "$dispatch_folder" "$1"; then
        rm -f "$dispatch_opened"/{ending,reserve} "$dispatch_opened"/RELION_* "$dispatch_opened"/*_optimiser.star
    fi
    remove_name "$dispatch_folder/$1"
} 2>/dev/null
# How RELION is told. A watcher of a site's own, as of 0.2.0, has not opened the job's folder.

# The CCP-EM Pipeliner has such files, too. dispatch_waiting_program says which of them waits for the job's end: RELION,
# or the PIPELINER. For a job of the Pipeliner its own files count, as the programs that its job runner starts write
# RELION's at any time. (A site's own base.sh.j2 of before does not say it.)

relion_waits() { [ "${dispatch_waiting_program:-RELION}" = RELION ]; }

# The file that tells an end: sets dispatch_end_file.
end_file() { # RELION or PIPELINER, SUCCESS, FAILURE or ABORTED
    local told=$2
    [ "$1$2" != PIPELINERFAILURE ] || told=FAILED
    dispatch_end_file=${dispatch_folder:-$dispatch_job}/$1_JOB_EXIT_$told
}

# Whether the program that waits finds this end. (RELION sees no link to nothing.)
end_is_told() { # SUCCESS, FAILURE or ABORTED
    local dispatch_end_file
    end_file "${dispatch_waiting_program:-RELION}" "$1"
    [ -e "$dispatch_end_file" ]
}

# One of three files tells RELION the end. The job script makes this file; RELION's programs write theirs into
# the folder $dispatch_control, where RELION does not look.
relion_was_told() {
    ls "${dispatch_folder:-$dispatch_job}/" >/dev/null # makes a network file system look again
    end_is_told SUCCESS || end_is_told FAILURE || end_is_told ABORTED
}

wants_abort() {
    local folder=${dispatch_folder:-$dispatch_job}
    [ -e "$folder/RELION_JOB_ABORT_NOW" ] || [ -e "$folder/PIPELINER_JOB_ABORT_NOW" ]
}

# Renames a file that was made beforehand, which works also on a full disk; if that fails, renames the script. In a
# sticky folder, another user's link that leads nowhere stays: then another of the files ends RELION's waiting.
make_exit_file() { # SUCCESS, FAILURE or ABORTED
    local folder=${dispatch_folder:-$dispatch_job} kept=${dispatch_kept:-$dispatch_control}
    local dispatch_end_file instead=ABORTED
    end_file "${dispatch_waiting_program:-RELION}" "$1"
    if [ ! -e "$dispatch_end_file" ]; then
        # The file gets its time before its name: from then on its user may remove the file. (A bare "return" gives
        # the status from before a trap.)
        { touch -c "$kept/ending"; mv -fT "$kept/ending" "$dispatch_end_file"; } 2>/dev/null ||
            new_file "$dispatch_end_file" </dev/null || [ -e "$dispatch_end_file" ] ||
            mv -fT "$folder/run_submit.script.run" "$dispatch_end_file" || {
            [ "$1" != ABORTED ] || instead=FAILURE
            end_file "${dispatch_waiting_program:-RELION}" "$instead"
            new_file "$dispatch_end_file" </dev/null || [ -e "$dispatch_end_file" ] || return 1
        }
    fi
    relion_waits || tell_relion_too "$1" "$dispatch_end_file"
    return 0
}

# RELION finds the same end. The Pipeliner's abort file goes, as when its job runner ends: else the job's next run
# would be aborted.
tell_relion_too() { # SUCCESS, FAILURE or ABORTED, FILE
    local other dispatch_end_file folder=${dispatch_folder:-$dispatch_job}
    for other in SUCCESS FAILURE ABORTED; do
        [ "$other" = "$1" ] || remove_name "$folder/RELION_JOB_EXIT_$other"
    done
    end_file RELION "$1"
    [ -e "$dispatch_end_file" ] || new_file "$dispatch_end_file" </dev/null || ln -P "$2" "$dispatch_end_file"
    remove_name "$folder/PIPELINER_JOB_ABORT_NOW"
} 2>/dev/null

# Prints the sentence that tells why the job ended, for run.err. RELION's window shows the last two or three rows of
# that file; of a sentence at its beginning it shows the last row alone. Behind empty lines no row is missing.
say_in_sight() { # SENTENCE
    printf '\n\n\nrelion-dispatch: %s\n' "$1"
}

# The same for run.out, if two rows may not hold the sentence: that field of the window has six.
say_if_long() { # SENTENCE
    local line="relion-dispatch: $1"
    [ ${#line} -le 180 ] || printf '%s\n' "$line" # as TWO_ROWS of dispatcher/refusal
}

enter_job || exit 0 # the folder is gone
dispatch_claim=$dispatch_folder/.dispatch_claim.$dispatch_token
dispatch_control=$dispatch_job/.dispatch_control.$dispatch_token
dispatch_unfinished=$dispatch_folder/.dispatch.run.$dispatch_token.new
open_control

# A job script that is killed while it writes dispatch.run.TOKEN leaves this part of it.
trap 'rm -f "$dispatch_unfinished"' EXIT

# There is nothing to tell if RELION knows the end already; if the folder is not the job's, because a link took its
# place while the job waited; or if it belongs to a later run of the job, or to another copy of it. (Before a run
# without the queue RELION removes the exit file of the run before.)
nothing_to_tell() {
    ! relion_was_told || return 0
    names_this || return 0
    [ ! "$dispatch_folder/run_submit.script" -nt "$dispatch_folder/dispatch.json" ] || return 0
    [ ! -e "$dispatch_folder/dispatch.run.$dispatch_token" ] || return 0
    ! holds dispatch.json '^  "run": \{' || return 0 # as version 0.1.0 wrote it
    ! holds job.star '^[[:space:]]*do_queue[[:space:]]+No' || return 0
    case $(readlink "$dispatch_claim") in
    *", job $dispatch_watched" | *", job $dispatch_watched."* | *", job ") ;;
    *", job "*) return 0 ;;
    esac
    names_another dispatch.json '^  "token": "' || names_another run_submit.script.run '^dispatch_token='
}

names_this() {
    [ -L "$dispatch_claim" ] || [ -f "$dispatch_folder/.dispatch_watcher.$dispatch_token" ] ||
        holds dispatch.json "^  \"token\": \"$dispatch_token" || holds run_submit.script.run "^dispatch_token=$dispatch_token"
}

# What cannot be read, or is damaged, names no other run.
names_another() { holds "$1" "$2" && ! holds "$1" "$2$dispatch_token"; } # FILE, WHAT IS BEFORE THE TOKEN

holds() { read_file "$dispatch_folder/$1" | grep -aE "$2" >/dev/null; } # FILE PATTERN

# The script was killed after it told RELION, and before it had written its sentence.
was_killed_at_the_end() {
    open_control && relion_was_told || return 1
    case $(readlink "$dispatch_claim") in
    *", job $dispatch_watched" | *", job $dispatch_watched."*) ;;
    *) return 1 ;;
    esac
}

# The last files of the job's script may not yet be visible here.
for _ in {1..5}; do
    was_killed_at_the_end || { nothing_to_tell && exit 0; }
    sleep 1
done
# After a script was killed, its ranks still run in its session.
pkill -KILL -u "$(id -u)" -s "$dispatch_watched"

dispatch_why='it was killed: continue the job, or submit it again' dispatch_facts=

# If several processes want to tell RELION at the same moment, one does. From now on no other copy starts.
[ -e "$dispatch_folder/.dispatch.json.lock" ] || new_file "$dispatch_folder/.dispatch.json.lock" </dev/null
open_file "$dispatch_folder/.dispatch.json.lock" && exec 9<>"$dispatch_opened" && flock -w 10 9
ln -sT "$(uname -n), which told the end of it, job $dispatch_watched" "$dispatch_claim" 2>/dev/null
was_killed_at_the_end || { nothing_to_tell && exit 0; }
dispatch_end=FAILURE
! wants_abort || dispatch_end=ABORTED
# The job's script has kept room for the sentence, and a file to be renamed, in case the disk is full.
rm -f "$dispatch_kept/reserve"
dispatch_text=Refine3D/job011/run.err
dispatch_text=${dispatch_text/#"$dispatch_job/"/"$dispatch_folder/"}
dispatch_reason="The job ended before its script could report the end, because $dispatch_why${dispatch_facts:+ ($dispatch_facts)}."
if ! end_is_told SUCCESS; then
    ! open_text "$dispatch_text" || say_in_sight "$dispatch_reason" >>"$dispatch_opened"
    dispatch_reason=$(say_if_long "$dispatch_reason")
    [ -z "$dispatch_reason" ] || ! open_text "${dispatch_text%.err}.out" || echo "$dispatch_reason" >>"$dispatch_opened"
fi
for dispatch_word in ABORTED FAILURE SUCCESS; do
    ! end_is_told "$dispatch_word" || dispatch_end=$dispatch_word # what RELION believes first is the last here
done
make_exit_file "$dispatch_end" || exit 1
# The job's script would have removed these. A scratch folder on another node stays for the next job there.
remove_control "${dispatch_control##*/}"
dispatch_scratch_for_all=/scratch
open_scratch() { # FOLDER
    [[ ${1##*/} =~ ^relion-dispatch\.([0-9a-f]{12}|[0-9a-f]{16})$ && ! -L $1 ]] || return 1
    open_folder "${1%/*}" "${1##*/}" || return 1
    [ $((0$(stat -Lc %a "$dispatch_opened") & 022)) -eq 0 ]
}
empty_scratch() { # FOLDER
    find "$dispatch_opened/" -mindepth 1 ! -path "$dispatch_opened/owner" -delete
    rm -f "$dispatch_opened/owner"
    rmdir "$1"
}
remove_scratch() {
    local folder run
    for folder in "$dispatch_scratch_for_all"/relion-dispatch.*; do
        { open_scratch "$folder" && grep -qsx "token $dispatch_token" "$dispatch_opened/owner"; } || continue
        run=$(sed -n 's/^run //p' "$dispatch_opened/owner")
        [ "${run:-1}" -gt "${dispatch_run:-1}" ] || empty_scratch "$folder"
    done
}
remove_scratch
