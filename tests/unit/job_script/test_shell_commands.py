"""The reader of job scripts finds commands, functions and documents as bash does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dispatcher.config.places import shipped_folder
from dispatcher.job_script.shell_calls import ShellScript
from dispatcher.job_script.shell_commands import Commands

LIBRARY = sorted((shipped_folder() / "job_template" / "library").glob("*.sh"))


def called(script: str) -> list[str]:
    """The words of each command, in its first way."""
    return [" ".join(ways[0]) for ways in ShellScript(script).calls()]


@pytest.mark.parametrize("file", LIBRARY, ids=lambda file: file.name)
def test_each_function_of_the_library_is_read_to_its_end(file: Path) -> None:
    text = file.read_text()

    read = Commands(text)

    assert set(read.functions) == set(re.findall(r"^(\w+)\(\) [{(]", text, re.MULTILINE))
    assert read.outside == []


@pytest.mark.parametrize(
    ("script", "commands"),
    [
        ("a b;c d&&e||f | g & h", ["a b", "c d", "e", "f", "g", "h"]),
        ("a 'b c' \"d  e\" f\\ g # h", ["a b c d  e f g"]),
        ("a#b '#' c", ["a#b # c"]),
        ("a \\\n  b\nc", ["a b", "c"]),
        ("a >b 2>&1 <c >>d &>e <<<f g", ["a g"]),
        ("a {x}>b c", ["a c"]),
        ("cat <<E\nnot 'this\nE\na", ["cat", "a"]),
        ("cat <<-'E' >b\n\tnot $(this\n\tE\na", ["cat", "a"]),
        ("A=1 B=(x 'y z'\n  w) a $A $B", ["a 1 x y z w"]),
        ("A= a", ["a"]),
        ("if a; then b; elif ! c; then { d; }; fi", ["a", "b", "c", "d", "fi"]),
        ("case $x in (a|b) c;; d) e ;; esac; f", ["c", "e", "f"]),
        ("case x in a) b; esac; echo case x in y; c", ["b", "echo case x in y", "c"]),
        ("[[ a && ( b || c ) ]] && d", ["[[ a b c ]]", "d"]),
        ("(a; (b)) | c", ["a", "b", "c"]),
        ("a <(b c) >(d)", ["a $() $()", "b c", "d"]),
        ("a $(b \"$(c ')')\") `d`", ["a $() $()", "b $()", "c )", "d"]),
        ("echo $((1 + 2)) ${#a} ${!b} $# $?; c", ["echo $() ${ ${ $# $?", "1 + 2", "c"]),
        ('A=x; B="$A y"; C=${B}z; $C', ["x yz"]),
        ("A=x; A=$A$A; A+=y; a $A", ["a x"]),
        ('a ${A:-b} ${B:-"c}"} ${C:+d}', ["a $A $B"]),
        ('f() { a "$@" $2; }; f b c', ["a b c c"]),
        ("f() { shift; a $1; }\nf b c", ["a c"]),
        ("function f {\n a; }\nfunction g() ( b; )\nh ()\n{ c; }", ["a", "b", "c"]),
        ('f() { f "$@" x; }; f', ["f " + "x " * 7 + "x"]),
        ("for a in b c; do $a; done", ["for a in b c", "b", "done"]),
        ("a 'not closed", ["a not closed"]),
        ("a $(not closed", ["a $()", "not closed"]),
        ("a ${not_closed", ["a $not_closed"]),
        ("coproc a { b; c; }; coproc d e", ["b", "c", "d e"]),
    ],
)
def test_commands_have_the_words_that_bash_would_give_them(
    script: str, commands: list[str]
) -> None:
    assert called(script) == commands


def test_a_variable_that_is_set_twice_may_have_each_value() -> None:
    (ways,) = list(ShellScript("a && B=b\n[ c ] || B='c d'\n$B").calls())[2:]

    assert ways == [("b",), ("c", "d")]


def test_a_script_that_begins_and_ends_anywhere_is_read() -> None:
    text = "".join(file.read_text() for file in LIBRARY)
    pieces = [text[begin : begin + 1500] for begin in range(0, len(text), 997)]

    assert sum(len(called(piece)) for piece in pieces) > 10 * len(pieces)


def test_values_in_values_of_values_end() -> None:
    script = "\n".join(f'A="$A $B x{n}"; B="$B $A y{n}"' for n in range(40)) + "\nrun $A"

    assert len(called(script)) == 1


def test_chains_and_circles_of_variables_end() -> None:
    chain = "\n".join(f"A{n}=$A{n + 1}" for n in range(500))
    circle = "\n".join(f"B{n}=$(echo $B{(n + 1) % 30} $B{(n + 7) % 30})" for n in range(30))

    assert called(f"{chain}\n{circle}\nrun $A0 $B0")[-1].startswith("run ")


@pytest.mark.parametrize("nested", ["$(", "${a:-", "<(", '"$(', "("])
def test_what_is_nested_deeply_is_read(nested: str) -> None:
    assert called("a; " + nested * 500)[0] == "a"


def test_functions_that_call_one_another_end() -> None:
    calls = "; ".join(f'f{n} "$@" {n}; g{n} $1' for n in range(9))
    functions = "\n".join(f"f{n}() {{ {calls}; }}\ng{n}() {{ {calls}; }}" for n in range(9))

    assert called(f"{functions}\nf0 a; run b")[-1] == "run b"
