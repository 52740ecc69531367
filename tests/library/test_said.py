"""What programs say of their failure, in texts as they were seen: one sentence of the many lines.

RELION's texts are from its source (error.cpp, args.cpp) and from public reports; the backtraces
are shortened.
"""

from __future__ import annotations

import re

import pytest

from dispatcher.printable import HIDDEN

from .conftest import Shell

BACKTRACE = """=== Backtrace  ===
/usr/bin/relion_refine_mpi(_ZN11RelionErrorC1ERKNSt7__cxx1112basic_string+0x77) [0x5598d25659e7]
/lib/x86_64-linux-gnu/libc.so.6(__libc_start_main+0xe7) [0x7f2524049bf7]
==================
"""
ABORTED = """--------------------------------------------------------------------------
MPI_ABORT was invoked on rank 1 in communicator MPI_COMM_WORLD
with errorcode 1.

NOTE: invoking MPI_ABORT causes Open MPI to kill all MPI processes.
You may or may not see output from other processes, depending on
exactly when Open MPI kills them.
--------------------------------------------------------------------------
"""
LABEL = "ERROR: no rlnAmplitudeContrast label was found in the CTF parameters\n"
KERNEL = """A GPU-function failed to execute.

 If this occured at the start of a run, you might have GPUs which
are incompatible with either the data or your installation of relion.
"""

TEXTS = {
    # RELION's error, of one process and of several ranks at once.
    f"in: /src/ctf.cpp, line 171\nERROR: \n{LABEL}{BACKTRACE}ERROR: \n{LABEL}\n": (
        "no rlnAmplitudeContrast label was found in the CTF parameters"
    ),
    f"in: in: /src/ctf.cpp/src/ctf.cpp, line , line 171\n171\nERROR: \nERROR: \n{LABEL}{LABEL}"
    f"follower 1 encountered error: {BACKTRACE}ERROR: \n{LABEL}{ABORTED}": (
        "no rlnAmplitudeContrast label was found in the CTF parameters"
    ),
    "ERROR: \nFile x.mrc is too smallERROR: \nFile x.mrc is too small\n\n": (
        "File x.mrc is too small"
    ),
    '000/??? sec ~~(,_,">                       [oo]in: /src/metadata_table.cpp, line 1114\n'
    "ERROR: \nMetaDataTable::read: File mtf does not exist\n"
    "terminate called after throwing an instance of 'RelionError'\nAborted\n": (
        "MetaDataTable::read: File mtf does not exist"
    ),
    "[gpu1:31213] *** Process received signal ***\nERROR: \n"
    "A line in the STAR file contains more columns than the number of labels.\n"
    "[gpu1:31213] Signal: Aborted (6)\n": (
        "A line in the STAR file contains more columns than the number of labels"
    ),
    # Version 3.0 has the place and the backtrace before the error.
    f"in: /src/ml.cpp, line 81\n{BACKTRACE}ERROR: \nNo orientation was found as better than any "
    "other.\n\nA particle image was compared to the reference and resulted in all-zero\n": (
        "No orientation was found as better than any other"
    ),
    # A text on two lines; a text that is longer than a sentence may be.
    "ERROR: \nPlease import files by a relative path.\nMake a symbolic link.\n\nRest\n": (
        "Please import files by a relative path. Make a symbolic link"
    ),
    f"ERROR: \n{'word ' * 100}\n": f"{'word ' * 60}...".removesuffix("..."),
    f"ERROR: \nFile /data/{'x' * 400} is odd\n": f"File /data/{'x' * 289}",
    f"ERROR: \n{'ab c ' * 4}{'é' * 400} is odd\n": f"{'ab c ' * 4}{'é' * 140}",
    f"ERROR: \nodd {'☃' * 400}\n": f"odd {'☃' * 98}",
    f"ERROR: \n{'word ' * 50}{'x' * 400}\n": "word " * 50,
    # What says more than what stands behind it.
    "ERROR: unspecified launch failure in /src/custom_allocator.cuh at line 176 (error-code 719)\n"
    f"in: /src/cuda_settings.h, line 81\nERROR: \nERROR: \n\n{KERNEL}{ABORTED}": (
        "unspecified launch failure in /src/custom_allocator.cuh at line 176 (error-code 719)"
    ),
    f"in: /src/cuda_settings.h, line 81\nERROR: \n\n{KERNEL}": ("A GPU-function failed to execute"),
    "The following errors were encountered upon command-line parsing: \n"
    "ERROR: Argument --angpix not found\nin: /src/a.cpp, line 3\n"
    "ERROR: \nErrors encountered on the command line (see above), exiting...\n": (
        "Argument --angpix not found"
    ),
    "WARNING: there was an error in executing: topaz x\nTraceback (most recent call last):\n"
    "  File \"x.py\", line 391, in score\nAttributeError: no attribute 'eval'\nin: /src/a.cpp, "
    "line 2753\nERROR: \nthere was an error executing: topaz x\n": (
        "AttributeError: no attribute 'eval'"
    ),
    # Python: a chain, typer's frames, the log of ModelAngelo, Blush.
    'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    f()\nKeyError: 5\n\n'
    "During handling of the above exception, another exception occurred:\n\n"
    'Traceback (most recent call last):\n  File "b.py"\nValueError: the model m is not known\n': (
        "ValueError: the model m is not known"
    ),
    "╭──── Traceback (most recent call last) ────╮\n│ a.py:1 in main │\n╰────╯\n"
    "RuntimeError: the box is odd\nCompile with X to enable assertions.\n": (
        "RuntimeError: the box is odd"
    ),
    "2024-09-12 at 10:19:10 | ERROR | Error in ModelAngelo\nTraceback (most recent call last):\n\n"
    '  File "<string>", line 1, in <module>\n    │   │ └ <function main>\n'
    "KeyError: '_atom.id'\n": "KeyError: '_atom.id'",
    "sh: bool: No such file or directory\nTraceback (most recent call last):\n  File\n"
    "RuntimeError: Error(s) in loading state_dict for M:\n\tMissing key(s): a\n\n"
    "Something went wrong in the external Python call...\nCommand: relion_python_blush x.star\n": (
        "RuntimeError: Error(s) in loading state_dict for M: Missing key(s): a"
    ),
    "Exception ignored in: <function f at 0x1>\nTraceback (most recent call last):\n  File\n"
    "OSError: bad descriptor\nERROR: \nthe file is empty\n": "the file is empty",
    "Usage: main [OPTIONS]\n╭─ Error ──────╮\n│ No such option: --foo │\n╰──────╯\n": (
        "No such option: --foo"
    ),
    "terminate called after throwing an instance of 'std::runtime_error'\n"
    "  what():  Failed to dispatch command\n": "Failed to dispatch command",
    "  + Exception Group Traceback (most recent call last):\n"
    '  |   File "x.py", line 1, in <module>\n  |     raise ExceptionGroup("several", all)\n'
    "  | ExceptionGroup: several (2 sub-exceptions)\n  +-+---------------- 1 ----------------\n"
    '    | Traceback (most recent call last):\n    |   File "y.py", line 2, in f\n'
    "    | ValueError: the box is odd\n    +---------------- 2 ----------------\n"
    "    | TypeError: other\n    +------------------------------------\nIt was the end.\n": (
        "ValueError: the box is odd"
    ),
    "  + Exception Group Traceback (most recent call last):\n  | ExceptionGroup: a (1 "
    "sub-exception)\n  +-+---------------- 1 ----------------\n"
    "    | Exception Group Traceback (most recent call last):\n    |   File\n"
    "    | ExceptionGroup: b (1 sub-exception)\n    +-+---------------- 1 ----------------\n"
    "      | KeyError: 'deep'\n      +------------------------------------\n": "KeyError: 'deep'",
    # Python without frames: it cannot read a program, or a program writes an exception by itself.
    '  File "x.py", line 3\n    print "a"\n          ^\nSyntaxError: invalid syntax\n': (
        "SyntaxError: invalid syntax"
    ),
    "torch.cuda.OutOfMemoryError: CUDA out of memory\n": (
        "torch.cuda.OutOfMemoryError: CUDA out of memory"
    ),
    # A command in colours, and other bytes that are no text.
    "\033[31mERROR: \033[0mit is \007red\n": "it is red",
    "ERROR: \na\u202eb\x9bc\u2066d\u061ce\u2028f\x85 ☃ é ¿ i\u2060 text\n": (
        "a b c d e f ☃ é ¿ i\u2060 text"
    ),
    # The names of ranks: srun --label, mpirun --tag-output, prterun.
    "0: ERROR: \n1: ERROR: \n0: the box is odd\n1: the box is odd\n1: \n": "the box is odd",
    "10: in: /src/a.cpp, line 1\n 9: ERROR: \r\n 9: it is odd\r\n 9:\n 9: more\n": "it is odd",
    "[1,2]<stderr>:ERROR: \n[1,2]<stderr>: it is odd\n": "it is odd",
    "[prterun-n1-17@1,2]<stderr>: ERROR: \n[prterun-n1-17@1,2]<stderr>: it is odd\n": "it is odd",
    # Lines that are no error.
    f" + Number of MPI processes = 3\n{ABORTED}": None,
    "srun: error: gpu1: task 0: Exited with exit code 1\n": None,
    "mpirun noticed that process rank 1 exited on signal 6 (Aborted).\n": None,
}


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_one_error_of_many_lines_is_quoted(text: str, shell: Shell) -> None:
    given(text, shell)

    said = shell.says(
        "plain_lines <text | program_said relion_refine | head -n 1 | cut -d ' ' -f 2-",
        scheduler="slurm",
    )

    wanted = TEXTS[text]
    assert said.removesuffix(" ...") == (f"RELION said: {wanted}".rstrip() if wanted else "")


def test_what_would_change_a_terminal_is_not_quoted(shell: Shell) -> None:
    """The characters that commands of the dispatcher hide."""
    characters = "".join(f"<{chr(code)}>" for code in range(1, 0x3000) if chr(code) != "\n")
    kept = {each for each in characters if not re.match(HIDDEN, each)}
    pieces = [characters[at : at + 60] for at in range(0, len(characters), 60)]
    given("".join(f"ERROR: \nnext {piece} text\n\n" for piece in pieces), shell)

    said = shell.says("plain_lines <text | program_said relion_refine")

    assert re.findall(HIDDEN, said.replace("\n", "")) == []
    assert kept - set(said) - set("│╰╯─\ufffd") == set()


def given(text: str, shell: Shell) -> None:
    """Puts a text where the shell reads it."""
    (shell.project / "text").write_text(text)


def test_the_other_errors_follow_the_one_that_says_most(shell: Shell) -> None:
    given(
        "x: Permission denied\nERROR: it is odd\nERROR: it is odd\n"
        "ERROR: \nno label\n\nERROR: \nno file\n",
        shell,
    )

    assert shell.says("program_said relion_refine <text").splitlines() == [
        "stopped RELION said: no label",
        "error RELION said: it is odd",
        "stopped RELION said: no file",
    ]


def test_an_error_that_says_little_is_told_if_there_is_no_other(shell: Shell) -> None:
    given("x: Permission denied\nException ignored in: <f>\nTraceback (most recent call last):\n"
          "  File\nOSError: bad\n", shell)  # fmt: skip

    assert (
        shell.says("program_said relion_refine <text") == "hint RELION said: x: Permission denied"
    )


@pytest.mark.parametrize(
    ("program", "text", "said"),
    [
        ("mytool.py", "mytool.py: error: unrecognized arguments: --x\n", "mytool.py said: unrec"),
        ("relion_x", "FATAL:   container creation failed: no loop\n", "Apptainer said: container"),
        ("relion_x", "ERROR  : Could not write info to setgroups\n", "Apptainer said: Could not"),
        (
            "relion_x",
            "relion_x: /lib/libc.so.6: version `GLIBC_2.34' not found (required by relion_x)\n",
            "RELION said: relion_x: /lib/libc.so.6: version `GLIBC_2.34' not found",
        ),
        ("The job", "Error: no movies\n", "The job said: no movies"),
    ],
)
def test_who_said_it_is_named(program: str, text: str, said: str, shell: Shell) -> None:
    given(text, shell)

    assert shell.says(f"program_said '{program}' <text").startswith(f"error {said}")
