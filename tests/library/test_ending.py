"""How a job ends: one exit file, a sentence on why, a file on how it went."""

from __future__ import annotations

import re

import pytest

from dispatcher.jobs.abort import CANCELLED, how_aborted, want_abort
from dispatcher.refusal import IN_SIGHT, TWO_ROWS

from .conftest import JOB_TEMPLATE, TOKEN, Shell

CONTROL = f".dispatch_control.{TOKEN}"


def exit_files(shell: Shell) -> set[str]:
    return {path.name.rpartition("_")[2] for path in shell.job.glob("RELION_JOB_EXIT_*")}


@pytest.mark.parametrize(
    ("status", "files", "ending", "then"),
    [
        (0, [], "SUCCESS", 0),
        (3, [], "FAILURE", 3),
        (0, [f"{CONTROL}/RELION_JOB_EXIT_FAILURE"], "FAILURE", 1),
        (0, ["RELION_JOB_EXIT_FAILURE"], "FAILURE", 1),
        (0, [f"{CONTROL}/RELION_JOB_EXIT_SUCCESS"], "SUCCESS", 0),
        (3, [f"{CONTROL}/RELION_JOB_EXIT_ABORTED"], "ABORTED", 3),
        (0, [f"{CONTROL}/RELION_JOB_ABORTED"], "ABORTED", 0),
        (3, ["RELION_JOB_ABORT_NOW"], "ABORTED", 3),
        (0, ["RELION_JOB_ABORT_NOW"], "SUCCESS", 0),
    ],
)
def test_the_ending_is_decided_by_status_and_files(
    status: int, files: list[str], ending: str, then: int, shell: Shell
) -> None:
    (shell.job / CONTROL).mkdir()
    for name in files:
        (shell.job / name).touch()

    said = shell.says(
        f'dispatch_status={status}; decide_ending; echo "$dispatch_ending $dispatch_status"'
    )

    assert said == f"{ending} {then}"


@pytest.mark.parametrize("where", ["", f"{CONTROL}/"])
def test_a_program_has_said_what_lies_in_either_folder(where: str, shell: Shell) -> None:
    (shell.job / CONTROL).mkdir()
    (shell.job / f"{where}RELION_JOB_EXIT_FAILURE").touch()

    assert shell("program_said_end FAILURE").returncode == 0
    assert shell("program_said_end ABORTED").returncode == 1


def test_relion_is_told_once(shell: Shell) -> None:
    """Its user may continue the job while the rest of it is being ended."""
    (shell.job / "RELION_JOB_EXIT_SUCCESS").touch()

    shell("""
        dispatch_ending=FAILURE
        tell_relion
        ls "$dispatch_job"/RELION_JOB_EXIT_* >seen
        rm "$dispatch_job/RELION_JOB_EXIT_FAILURE"
        tell_relion
    """)

    seen = (shell.project / "seen").read_text()
    assert seen == "Refine3D/job001/RELION_JOB_EXIT_FAILURE\n"
    assert exit_files(shell) == set()


def test_an_overtaken_job_tells_relion_nothing(shell: Shell) -> None:
    (shell.job / "run_submit.script.run").write_text("dispatch_token=ffffffffffff\n")

    shell("dispatch_ending=FAILURE; tell_relion")

    assert exit_files(shell) == set()


def test_whether_relion_was_told(shell: Shell) -> None:
    assert shell("relion_was_told").returncode == 1
    (shell.job / "RELION_JOB_EXIT_ABORTED").touch()
    assert shell("relion_was_told").returncode == 0


def test_an_exit_file_is_what_was_kept_for_a_full_disk(shell: Shell) -> None:
    (shell.job / CONTROL).mkdir()
    kept = shell.job / CONTROL / "ending"
    kept.touch()
    inode = kept.stat().st_ino

    shell("make_exit_file SUCCESS")

    assert (shell.job / "RELION_JOB_EXIT_SUCCESS").stat().st_ino == inode


def test_an_exit_file_that_relions_user_removes_at_once_is_not_made_again(shell: Shell) -> None:
    (shell.job / CONTROL).mkdir()
    (shell.job / CONTROL / "ending").touch()

    told = shell.says(
        'mv() { command mv "$@" && rm "${@: -1}"; }; dispatch_ending=SUCCESS dispatch_told=""\n'
        'tell_relion; tell_relion; echo "$dispatch_told"'
    )

    assert (told.strip(), exit_files(shell)) == ("yes", set())


def test_an_exit_file_is_made_without_anything_kept(shell: Shell) -> None:
    shell("make_exit_file ABORTED; make_exit_file ABORTED")

    assert exit_files(shell) == {"ABORTED"}


def test_if_all_else_fails_the_job_script_becomes_the_exit_file(shell: Shell) -> None:
    (shell.job / "run_submit.script.run").write_text("x")

    shell("new_file() { return 1; }; make_exit_file FAILURE")

    assert (shell.job / "RELION_JOB_EXIT_FAILURE").read_text() == "x"


def test_a_session_that_the_script_leads_is_the_jobs(shell: Shell) -> None:
    said = shell.says('find_session; echo "$dispatch_session"; echo $$')

    assert len(set(said.splitlines())) == 1


@pytest.mark.parametrize("made", [True, False])
def test_another_session_is_the_jobs_if_the_scheduler_made_it(made: bool, shell: Shell) -> None:
    code = f"""
        ps() {{ echo 4711; }}
        scheduler_made_session() {{ return {0 if made else 1}; }}
        find_session; echo "<$dispatch_session>"
    """

    assert shell.says(code) == ("<4711>" if made else "<>")


def test_what_still_runs_of_the_job_is_ended(shell: Shell) -> None:
    done = shell("sleep 77 & dispatch_session=$$; end_processes; wait $!; echo $?")

    assert done.stdout == "137\n"


def test_without_a_session_of_its_own_a_job_ends_nothing(shell: Shell) -> None:
    assert shell.says("sleep 77 & dispatch_session=; end_processes; kill $!; wait $!; echo $?") == (
        "143"
    )


def test_a_job_ends_in_this_order(shell: Shell) -> None:
    steps = [
        "end_guard", "tell_relion", "end_processes", "tell_relion", "explain", "on_each_node",
        "leave_gpus", "dispatch_epilogue", "write_run", "dismiss_watcher",
    ]  # fmt: skip
    functions = "".join(f"{step}() {{ echo {step}; }}\n" for step in steps)

    done = shell(f"{functions}(exit 3); finish", given=["dispatch_uses_scratch=yes"])

    assert done.stdout.splitlines() == steps
    assert done.returncode == 3


# The sentence


def test_fail_ends_the_job_with_a_sentence(shell: Shell) -> None:
    done = shell("trap 'echo \"$dispatch_reason\"' EXIT; fail 'It cannot run,' 'as nothing does.'")

    assert (done.returncode, done.stdout) == (1, "It cannot run, as nothing does.\n")


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("dispatch_ending=SUCCESS", ""),
        ("dispatch_ending=ABORTED", r"The job was aborted after 0:00:0\d."),
        (
            "dispatch_ending=ABORTED dispatch_overdue=5",
            r"The job was aborted after .*; its programs did not end .* within 5 s.",
        ),
        ("dispatch_ending=FAILURE dispatch_status=3", "The job failed after .* with status 3: .*"),
        ("dispatch_ending=FAILURE dispatch_reason='It is odd.'", "It is odd."),
    ],
)
def test_the_sentence_says_how_the_job_ended(state: str, sentence: str, shell: Shell) -> None:
    (shell.job / CONTROL).mkdir()

    done = shell(f"{state}; explain")

    expected = f"{IN_SIGHT}relion-dispatch: {sentence}\n" if sentence else ""
    assert re.fullmatch(expected, done.stderr)
    assert not (shell.job / CONTROL).exists()


@pytest.mark.parametrize(
    ("content", "how"),
    [
        (b"", "aborted in RELION"),
        (CANCELLED.encode() + b"\n", f"cancelled with `{CANCELLED}`"),
        (b"relion-dispatch cancels\n", "aborted in RELION"),
        (b"\xff\0" * 5000, "aborted in RELION"),
        (None, "aborted"),
    ],
)
def test_an_abort_is_called_by_who_made_it(content: bytes | None, how: str, shell: Shell) -> None:
    """The job's script and the commands say the same."""
    if content is not None:
        (shell.job / "RELION_JOB_ABORT_NOW").write_bytes(content)

    assert shell.says("how_aborted") == how
    assert how_aborted(shell.job) == how


def test_a_command_that_cancels_keeps_an_abort_of_relions(shell: Shell) -> None:
    (shell.job / "RELION_JOB_ABORT_NOW").touch()
    want_abort(shell.job)
    assert how_aborted(shell.job) == "aborted in RELION"

    (shell.job / "RELION_JOB_ABORT_NOW").unlink()
    want_abort(shell.job)
    assert how_aborted(shell.job) == f"cancelled with `{CANCELLED}`"


@pytest.mark.parametrize(("length", "twice"), [(0, False), (1, True)])
@pytest.mark.parametrize("by", ["explain", "say_in_sight 1>&2; say_if_long"])
def test_relions_window_shows_a_long_sentence_whole_as_the_end_of_run_out(
    by: str, length: int, twice: bool, shell: Shell
) -> None:
    sentence = "x" * (TWO_ROWS - len("relion-dispatch: ") + length)

    done = shell(f"dispatch_reason={sentence}; {by.replace(';', f' {sentence};')} {sentence}")

    said = f"relion-dispatch: {sentence}\n"
    assert (done.stderr, done.stdout) == (f"{IN_SIGHT}{said}", said if twice else "")


def test_relions_window_shows_what_the_template_says_if_it_is_run(shell: Shell) -> None:
    """RELION has filled it in for another queue command, which then runs it."""
    text = (JOB_TEMPLATE / "relion_template.sh").read_text()
    script = shell.project / "script"
    script.write_text(
        text.replace("XXXerrfileXXX", "Refine3D/job001/run.err").replace(
            "XXXnameXXX", "Refine3D/job001/"
        )
    )

    done = shell("bash script")

    said = (shell.job / "run.err").read_text()
    assert said.startswith(f"{IN_SIGHT}relion-dispatch: RELION gave this job to another queue")
    assert said.count("\n") == len(IN_SIGHT) + 1
    assert (done.returncode, exit_files(shell)) == (64, {"FAILURE"})


def test_an_overtaken_job_says_so_in_run_out_only(shell: Shell) -> None:
    (shell.job / "run_submit.script.run").write_text("dispatch_token=ffffffffffff\n")

    done = shell("dispatch_ending=FAILURE; explain")

    assert done.stderr == ""
    assert "was submitted again" in done.stdout


@pytest.mark.parametrize("name", ["run.out", "run.err"])
def test_the_cause_is_looked_for_in_what_this_run_wrote(name: str, shell: Shell) -> None:
    (shell.job / "run.out").write_text("out of memory, an earlier run\n")
    (shell.job / "run.err").touch()
    program = "dispatch_program=relion_x dispatch_status=1"

    unknown = shell.says(f"{program}; remember_texts; cause")
    known = shell.says(
        f"{program}; remember_texts; echo 'a\xff OUT OF MEMORY' >>'{shell.job / name}'; cause"
    )

    assert unknown.startswith(
        "relion_x ended with status 1: read its last lines, above and in run.out"
    )
    assert known == "its memory was used up: ask for more"


def test_what_the_dispatcher_itself_has_said_is_no_cause(shell: Shell) -> None:
    (shell.job / "run.err").touch()

    said = shell.says(
        'remember_texts; echo "relion-dispatch: out of memory" >"$dispatch_errfile"; cause'
    )

    assert "memory" not in said


@pytest.mark.parametrize(
    "line",
    [
        "ERROR: ld.so: object 'libdlfaker.so' from LD_PRELOAD cannot be preloaded "
        "(cannot open shared object file): ignored.",
        "sh: /x/libx.so.6: no version information available (required by sh): out of memory",
        "mca_base_component_repository_open: unable to open mca_btl_openib: librdmacm.so.1: "
        "cannot open shared object file: No such file or directory (ignored)",
        "perl: cannot open shared object file, ignoring",
        "WARNING: skipping mount of /x: out of memory",
        "/opt/a/util.py:836: FutureWarning: out of memory",
        "INFO:    could not mount /x: out of memory",
        "/etc/profile.d/lang.sh: line 19: warning: setlocale: LC_CTYPE: cannot change locale: out "
        "of memory",
        "0: libibverbs: Warning: couldn't load driver 'libmlx5-rdmav34.so': cannot open shared "
        "object file: No such file or directory",
        " WARNING: out of memory",
        " + WARNING: out of memory",
        "[1,2]<stderr>: WARNING! out of memory",
        "2024-01-01 10:00:00,123 - topaz - WARNING - out of memory",
        "[n1] [WARNING] out of memory",
        "10:19:10 | WARN  | out of memory",
        "/bin/bash: /etc/bash.bashrc: out of memory",
        "/home/ann/.bashrc: line 3: out of memory",
        "-bash: /etc/profile.d/modules.sh: out of memory",
    ],
)
def test_what_a_program_passes_over_is_no_cause(line: str, shell: Shell) -> None:
    (shell.job / "run.err").touch()
    known = "known_endings() { printf '%s\n' 'shared object|out of memory' 'it is the loader'; }"

    said = shell.says(
        f'{known}; dispatch_status=1; remember_texts; echo "$SAYS" >"$dispatch_errfile"; cause',
        SAYS=line,
    )

    assert "ended with status 1: read its last lines" in said


def test_the_texts_of_this_run_are_those_of_both_files(shell: Shell) -> None:
    (shell.job / "run.err").write_text("before\n")
    (shell.job / "run.out").write_text("before\n")

    said = shell.says(
        'remember_texts; echo 1 >>"$dispatch_errfile"; echo 2 >>"$dispatch_outfile"\n'
        'echo "x (ignored)" >>"$dispatch_outfile"; texts_written'
    )

    assert said.splitlines() == ["1", "2"]


def test_lines_with_a_pattern(shell: Shell) -> None:
    assert shell.says("lines_with 'b|^c' $'ab\\nac\\nc'") == "ab\nc"


def test_a_cause_is_known_or_not(shell: Shell) -> None:
    assert shell.says("known_cause 'Out of memory'") == "its memory was used up: ask for more"
    assert shell("known_cause 'nothing'").returncode == 1


CAUSES = (
    "known_endings() { printf '%s\\n' 'first thing' 'it is the first' 'second thing' "
    "'it is the second' 'abort' 'a rank stopped the others: {said}'; }"
)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("the first thing", "it is the first"),
        ("it speaks of a first thing\nERROR: \nsecond thing", "it is the second. RELION said: s"),
        ("slurmstepd: second thing\nERROR: \nfirst thing", "it is the first. RELION said: f"),
        ("first thing\nslurmstepd: second thing", "it is the second"),
        ("first thing\nx: No such file or directory", "it is the first. RELION said: x: No such"),
        ("first thing\nERROR: \nno label", "relion_x ended with status 1. RELION said: no label"),
        ("ERROR: \nno label\nERROR: \nsecond thing", "it is the second. RELION said: no label"),
        ("abort MPI_ABORT\nERROR: \nno label", "a rank stopped the others. RELION said: no label"),
        ("abort", "a rank stopped the others: read its last lines, above and in run.out"),
        ("ERROR: \nno label", "relion_x ended with status 1. RELION said: no label"),
    ],
)
def test_the_error_with_which_a_program_stopped_goes_before_what_else_it_wrote(
    text: str, sentence: str, shell: Shell
) -> None:
    (shell.job / "run.err").touch()

    said = shell.says(
        f"{CAUSES}; dispatch_program=relion_x dispatch_status=1; remember_texts\n"
        'echo "$SAYS" >"$dispatch_errfile"; cause',
        scheduler="slurm",
        SAYS=text,
    )

    assert said.startswith(sentence)


CRASHED = "one of its programs crashed (signal 11)"
SIGNAL = "mpirun noticed that process rank 1 on node n1 exited on signal 11 (Segmentation fault)."


@pytest.mark.parametrize(
    ("status", "text", "sentence"),
    [
        (1, f"sh: bool: No such file or directory\n{SIGNAL}", CRASHED),
        (1, f"it was not found\n{SIGNAL}", CRASHED),
        (1, "it was not found\n[n1:00419] Signal: Segmentation fault (11)", CRASHED),
        (1, "it was not found\nsrun: error: n1: task 0: Segmentation fault", CRASHED),
        (1, "it was not found\nrun.sh: line 9: 17 Segmentation fault  relion_x", CRASHED),
        (139, "it was not found", CRASHED),
        (137, "x: Permission denied", "one of its processes was killed (signal 9)"),
        (135, "x: Permission denied", "one of its programs was stopped by a bus error (signal 7)"),
        # What a program says as it stops goes before its signal, and is quoted.
        (
            139,
            f"ERROR: \nx.mrc does not exist\n\n{SIGNAL}",
            "a file is missing. RELION said: x.mrc does not exist",
        ),
        (139, "ERROR: \nit is odd\n", f"{CRASHED}. RELION said: it is odd"),
        (134, "it was not found", "a file is missing"),
        (127, "it was not found", "a file is missing"),
    ],
)
def test_a_signal_goes_before_lines_that_are_no_error(
    status: int, text: str, sentence: str, shell: Shell
) -> None:
    (shell.job / "run.err").touch()
    known = {
        "bus error|^exit status 135$": "one of its programs was stopped by a bus error (signal 7)",
        "signal 9|^exit status 137$": "one of its processes was killed (signal 9)",
        "no such file|does not exist|was not found|permission denied": "a file is missing",
        "on signal 11|segmentation fault|^exit status 139$": CRASHED,
    }
    lines = " ".join(f"'{line}'" for pair in known.items() for line in pair)

    said = shell.says(
        f"known_endings() {{ printf '%s\\n' {lines}; }}; dispatch_program=relion_x\n"
        f'dispatch_status={status}; remember_texts; echo "$SAYS" >"$dispatch_errfile"; cause',
        scheduler="slurm",
        SAYS=text,
    )

    assert said == sentence


def test_what_the_script_has_seen_are_facts(shell: Shell) -> None:
    said = shell.says(
        "memory_kills() { echo 5; }; dispatch_kills_before=4\n"
        "dispatch_kept=$dispatch_folder; probe() { echo 'No space left on device'; return 1; }\n"
        'mkdir -p -m 700 "$dispatch_scratch"\n'
        "dispatch_facts=$'stopped by signal 15\\n'; facts_seen",
        given=[f"dispatch_scratch_for_all='{shell.project}/scratch'"],
    )

    assert said.splitlines() == [
        "stopped by signal 15",
        "oom-kill",
        "No space left on device",
        "scratch: No space left on device",
    ]


@pytest.mark.parametrize("noise", [{}, {"LD_PRELOAD": "libdlfaker.so"}, {"LC_ALL": "xx_XX.UTF-8"}])
def test_a_folder_that_can_be_written_to_passes_the_probe(
    noise: dict[str, str], shell: Shell
) -> None:
    """Whatever the loader or the shell writes to the standard error of each program."""
    assert shell.says(f"probe '{shell.project}'; echo $?", **noise) == "0"
    assert list(shell.project.glob(".dispatch_probe")) == []


@pytest.mark.parametrize("noise", [{}, {"LD_PRELOAD": "libdlfaker.so"}, {"LC_ALL": "de_DE.UTF-8"}])
@pytest.mark.parametrize(
    ("folder", "says"),
    [("/nowhere", "No such file or directory"), ("/dev/full/..", "Not a directory")],
)
def test_the_probe_says_what_is_wrong_with_a_folder(
    folder: str, says: str, noise: dict[str, str], shell: Shell
) -> None:
    done = shell(f"probe {folder}", **noise)

    assert done.returncode != 0
    assert says in done.stdout


def test_a_full_disk_does_not_pass_the_probe(shell: Shell) -> None:
    (shell.project / ".dispatch_probe").symlink_to("/dev/full")

    done = shell(f"probe '{shell.project}'", LD_PRELOAD="libdlfaker.so")

    assert done.returncode != 0
    assert "No space left on device" in done.stdout


def test_memory_kills_are_counted_or_nothing_is_said(shell: Shell) -> None:
    done = shell("memory_kills")

    assert re.fullmatch(r"(\d+\n)*", done.stdout)
    assert done.stderr == ""


# How it went


def test_how_it_went_is_a_file_of_lines_without_empty_values(shell: Shell) -> None:
    usage = "node1 GPU-1 2 1000 50 2 2000\nnode1 GPU-2 2 - - - -\n"

    shell(
        f"dispatch_gpu_usage='{usage}' dispatch_status=1 dispatch_ending=FAILURE\n"
        "dispatch_reason=$'a\\tb\\033 \"c\" ☃'; write_run"
    )

    (file,) = shell.job.iterdir()
    assert file.name == f"dispatch.run.{TOKEN}"
    lines = file.read_text().splitlines()
    assert re.fullmatch(r"ended \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", lines.pop(1))
    assert lines == [
        f"token {TOKEN}",
        "host here",
        "scheduler_job_id 17",
        "exit_status 1",
        "ending FAILURE",
        'reason a b  "c" ☃',
        "gpu node1 GPU-1 2 1000 50 2 2000",
        "gpu node1 GPU-2 2 - - - -",
    ]


def test_no_part_of_the_file_stays_if_the_disk_is_full(shell: Shell) -> None:
    shell('dispatch_ending=SUCCESS; new_file() { echo part >"$1"; return 1; }; write_run')

    assert list(shell.job.iterdir()) == []


def test_only_lines_on_gpus_count_as_their_use(shell: Shell) -> None:
    shell("""dispatch_gpu_usage='[{"gpu": 0}]'; write_run""")

    assert "gpu" not in (shell.job / f"dispatch.run.{TOKEN}").read_text()


def test_a_value_is_one_line(shell: Shell) -> None:
    assert shell.says("run_value key $'a\\nb'; run_value other ''") == "key a b"


def test_the_texts_before_this_run_are_remembered(shell: Shell) -> None:
    (shell.job / "run.out").write_text("12345")

    assert shell.says('remember_texts; echo "$dispatch_out_before <$dispatch_err_before>"') == (
        "5 <>"
    )
