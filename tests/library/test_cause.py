"""Why a job failed: which of the known causes, by what its programs wrote and how they ended."""

from __future__ import annotations

import pytest

from .conftest import Shell


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
    known = "known_endings() { printf '%s\n' 'shared object|out of memory' 'it is the loader' ''; }"

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
    assert shell.says("known_cause nothing 'Out of memory'").startswith("its memory was used up")
    assert shell("known_cause 'nothing'").returncode == 1


CAUSES = (
    "known_endings() { printf '%s\\n' 'first thing' 'it is the first' '' 'second thing' "
    "'it is the second' gpu_memory 'abort' 'a rank stopped the others: {said}' ''; }"
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
    lines = " ".join(f"'{line}'" for pair in known.items() for line in (*pair, ""))

    said = shell.says(
        f"known_endings() {{ printf '%s\\n' {lines}; }}; dispatch_program=relion_x\n"
        f'dispatch_status={status}; remember_texts; echo "$SAYS" >"$dispatch_errfile"; cause',
        scheduler="slurm",
        SAYS=text,
    )

    assert said == sentence


def test_the_texts_before_this_run_are_remembered(shell: Shell) -> None:
    (shell.job / "run.out").write_text("12345")

    assert shell.says('remember_texts; echo "$dispatch_out_before <$dispatch_err_before>"') == (
        "5 <>"
    )
