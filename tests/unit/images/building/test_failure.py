"""What is said of a build that failed; the output is that of Apptainer 1.4."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.images.building.failure import failed_build, failed_test

DEFINITION = Path("/site/containers/relion.def")
POST = """INFO:    Starting build...
INFO:    Running post scriptlet
+ word=thing
+ ls /no/such/thing
ls: cannot access '/no/such/thing': No such file or directory
\x1b[31mFATAL:  \x1b[0m While performing build: while running %post section: exit status 2
"""


def test_a_failed_section_is_told_with_its_command_and_what_that_said() -> None:
    assert failed_build(POST, DEFINITION) == (
        f'%post of {DEFINITION}, at the command "ls /no/such/thing": '
        "ls: cannot access '/no/such/thing': No such file or directory; "
        "While performing build: while running %post section: exit status 2"
    )


def test_a_section_that_ran_no_command_is_named_alone() -> None:
    fatal = "FATAL:   while running %setup section: exit status 1"

    assert failed_build(fatal, DEFINITION).startswith(f"%setup of {DEFINITION}: while running")


def test_a_build_without_sections_is_told_with_its_last_word() -> None:
    assert failed_build("", DEFINITION) == f"{DEFINITION}: no output"
    assert failed_build("INFO: x\nFATAL: no such base\n", DEFINITION) == (
        f"{DEFINITION}: no such base"
    )


@pytest.mark.parametrize(
    ("printed", "quoted"),
    [
        (
            "CMake Error at /usr/lib/FLTK-Targets.cmake:145 (message):\n"
            '  The imported target "fluid" references the file\n'
            "-- Configuring incomplete, errors occurred!\n"
            'See also "/opt/source/build/CMakeFiles/CMakeOutput.log".\n',
            "CMake Error at /usr/lib/FLTK-Targets.cmake:145 (message): "
            'The imported target "fluid" references the file',
        ),
        (
            "[  3%] Building CXX object mask.o\n"
            "mask.cpp:7:10: fatal error: tiffio.h: No such file or directory\n"
            "ctf.cpp:9:1: error: 'x' does not name a type\n"
            "make[1]: *** [Makefile:9: all] Error 2\nmake: *** [Makefile:5: all] Error 2\n",
            "mask.cpp:7:10: fatal error: tiffio.h: No such file or directory",
        ),
        (
            "Reading package lists...\nE: Unable to locate package x\n",
            "E: Unable to locate package x",
        ),
    ],
)
def test_of_what_a_failed_command_said_the_first_error_is_quoted(printed: str, quoted: str) -> None:
    fatal = "FATAL:   While performing build: while running %post section: exit status 1"
    output = f"INFO: Running post\n+ cmake one\nerror: forgiven\n+ make all\n{printed}{fatal}\n"

    assert f', at the command "make all": {quoted}; While performing' in failed_build(
        output, DEFINITION
    )


def test_a_base_without_the_folder_that_is_bound_is_told_as_such() -> None:
    output = """INFO:    Running post scriptlet
WARNING: By using --writable, Apptainer can't create /mnt destination automatically without overlay
FATAL:   container creation failed: mount hook function failure: mount /work/a->/mnt error: while \
mounting /work/a: destination /mnt doesn't exist in container
FATAL:   While performing build: while running engine: while running %post section: exit status 255
"""

    said = failed_build(output, DEFINITION)

    assert said.startswith(f"{DEFINITION}: a base has no folder /mnt, ")
    assert "--writable" not in said


def test_a_failed_test_is_told_with_its_line() -> None:
    text = "Bootstrap: docker\n\n%post\n    true\n\n%test\n    true\n    relion_refin\n"
    output = "INFO: Running\n/.singularity.d/test: line 4: relion_refin: not found\n"

    assert failed_test(output, DEFINITION, text) == (
        f"%test of {DEFINITION}, line 8: relion_refin: not found"
    )
    assert failed_test("", DEFINITION, text) == f"%test of {DEFINITION}: it printed nothing"
