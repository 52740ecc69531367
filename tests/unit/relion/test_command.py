"""One command line: read as bash reads it, changed word by word, written back unchanged."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatcher.errors import InputError
from dispatcher.relion.command import parse_command
from dispatcher.relion.programs import FILE_TOOLS
from dispatcher.relion.submission import parse_submission

from ...corpus import CORPUS

SHOW = r"""#!/bin/sh
printf '%s\0' "${0##*/}" "$#" "$@"
"""


def corpus_lines() -> list[str]:
    scripts = sorted(CORPUS.glob("*/*/run_submit.script"))
    submissions = [parse_submission(script.read_text(), str(script)) for script in scripts]
    return [command.text for submission in submissions for command in submission.commands]


@pytest.fixture(scope="module")
def bash(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[list[str]]]:
    """Run lines in real bash; returns what each program they started was called with.

    Every RELION program, file tool and /opt/bin/mytool.py is one that shows its arguments.
    """
    bin_folder = tmp_path_factory.mktemp("bin")
    show = bin_folder / "show"
    show.write_text(SHOW)
    show.chmod(0o755)
    programs = {parse_command(line).program for line in corpus_lines()}
    for name in {*programs, *FILE_TOOLS, "relion_refine"} - {"/opt/bin/mytool.py"}:
        (bin_folder / name).symlink_to(show)

    def run(lines: Sequence[str], folder: Path, **variables: str) -> list[list[str]]:
        # Functions spare a process for each line that does not ask for `which`.
        named = ("relion_refine", "rm", "/opt/bin/mytool.py")
        own = [f'{name}() {{ printf "%s\\0" {name} "$#" "$@"; }}' for name in named]
        script = "\n".join(["set -f", "enable -n echo", *own, *lines])
        environment = {"PATH": f"{bin_folder}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
        ran = subprocess.run(
            ["bash", "-c", script], cwd=folder, env={**environment, **variables},
            capture_output=True, check=False, timeout=60,
        )  # fmt: skip
        assert not ran.stderr, ran.stderr.decode()
        fields = ran.stdout.decode().split("\0")[:-1]
        called = []
        while fields:
            end = 2 + int(fields[1])
            called.append([fields[0], *fields[2:end]])
            fields = fields[end:]
        return called

    return run


def test_bash_passes_our_line_as_it_passes_relions(
    bash: Callable[..., list[list[str]]], tmp_path: Path
) -> None:
    lines = [line for line in corpus_lines() if " > " not in line]
    commands = [parse_command(line) for line in lines]

    by_relion = bash(lines, tmp_path)
    by_us = bash([command.shell() for command in commands], tmp_path)

    assert len(by_relion) == len(lines) >= 70
    assert by_us == by_relion == [command.argv for command in commands]


# Properly quoted words, in every way bash knows; what they mean is known beforehand.
TEXT = st.text(st.characters(exclude_characters="\0\n", exclude_categories=["Cs"]), max_size=8)


NASTY = st.sampled_from(
    ["$(touch CANARY)", "`touch CANARY`", "; touch CANARY", "> CANARY", "*", "?.star", "~", "{a,b}",
     "$1", "${X:-y}", "&& touch CANARY", "| touch CANARY", "#", "!", "\\", "'", '"', "Å", "\t", "-"]
)  # fmt: skip


VARIABLES = {"EMPTY": "", "BLANKS": " a  b ", "PLAIN": "/scratch/4711", "GLOB": "*", "CODE": "$(x)"}


def single(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def double(text: str) -> str:
    return '"' + "".join("\\" + char if char in '\\"$`' else char for char in text) + '"'


def escaped(text: str) -> str:
    return "".join("\\" + char for char in text) or "''"


quoted = st.builds(
    lambda text, style: (text, style(text)),
    st.one_of(TEXT, NASTY, st.builds("".join, st.lists(NASTY, max_size=3))),
    st.sampled_from([single, double, escaped]),
)


variable = st.builds(
    str.format, st.sampled_from(["${}", "${{{}}}", '"${}"', '"${{{}}}"', '"a ${{{}}} b"']),
    st.sampled_from(sorted(VARIABLES)),
)  # fmt: skip


with_variables = st.builds(
    "".join, st.lists(st.one_of(variable, st.sampled_from(["/x", '""', "''"])), min_size=1,
                      max_size=3),
)  # fmt: skip


few = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@given(st.lists(st.lists(quoted, max_size=6), min_size=15, max_size=30))
@few
def test_quoted_arguments_arrive_as_they_were_meant(
    bash: Callable[..., list[list[str]]], tmp_path: Path, rows: list[list[tuple[str, str]]]
) -> None:
    lines = ["relion_refine " + " ".join(shell for _, shell in row) for row in rows]
    meant = [["relion_refine", *(text for text, _ in row)] for row in rows]

    assert [parse_command(line).argv for line in lines] == meant
    assert bash([parse_command(line).shell() for line in lines], tmp_path) == meant
    assert bash(lines, tmp_path) == meant


@given(st.lists(st.lists(with_variables, max_size=4), min_size=15, max_size=30))
@few
def test_variables_expand_as_in_relions_line(
    bash: Callable[..., list[list[str]]], tmp_path: Path, rows: list[list[str]]
) -> None:
    lines = ["relion_refine " + " ".join(row) for row in rows]
    ours = [parse_command(line).shell() for line in lines]

    assert bash(ours, tmp_path, **VARIABLES) == bash(lines, tmp_path, **VARIABLES)


@given(st.lists(st.lists(st.one_of(NASTY, TEXT, with_variables), max_size=6).map("".join),
                min_size=15, max_size=30))  # fmt: skip
@few
def test_nothing_hidden_in_a_parameter_runs(
    bash: Callable[..., list[list[str]]], tmp_path: Path, rows: list[str]
) -> None:
    parsed = []
    for row in rows:
        for line in (f"relion_refine --o {row}", f"/opt/bin/mytool.py {row}", f"rm {row}x"):
            try:
                parsed.append(parse_command(line))
            except InputError:
                continue
    parsed = [command for command in parsed if command.redirect is None]
    ours = [command.shell() for command in parsed]
    folder = tmp_path / "cwd"
    folder.mkdir(exist_ok=True)

    check = subprocess.run(["bash", "-n"], input="\n".join(ours).encode(), capture_output=True)
    called = bash(ours, folder)

    assert check.returncode == 0, check.stderr
    assert [program for program, *_ in called] == [command.program for command in parsed]
    assert list(folder.iterdir()) == []


def test_the_canary_does_sing_when_bash_reads_the_line_itself(tmp_path: Path) -> None:
    line = "relion_refine --o $(touch CANARY)"

    subprocess.run(["bash", "-c", f"relion_refine() {{ :; }}; {line}"], cwd=tmp_path, check=True)
    assert (tmp_path / "CANARY").exists()

    (tmp_path / "CANARY").unlink()
    ours = parse_command(line).shell()
    subprocess.run(["bash", "-c", f"relion_refine() {{ :; }}; {ours}"], cwd=tmp_path, check=True)
    assert not (tmp_path / "CANARY").exists()


@pytest.mark.parametrize(
    ("line", "program", "base_program", "kind"),
    [
        ("`which relion_refine_mpi` --o x", "relion_refine_mpi", "relion_refine", "relion"),
        ("`which /opt/bin/relion_refine` --o x", "/opt/bin/relion_refine", "relion_refine",
         "relion"),
        ("` which  relion_refine ` --o x", "relion_refine", "relion_refine", "relion"),
        ("`which mytool` --o x", "mytool", "mytool", "relion"),
        ("  relion_import  --do_movies", "relion_import", "relion_import", "relion"),
        ("/sw/relion-5/bin/relion_import --i x", "/sw/relion-5/bin/relion_import", "relion_import",
         "relion"),
        ("/opt/bin/mytool.py --o External/job015/ --j 4", "/opt/bin/mytool.py", "mytool.py",
         "shell"),
        ("/home/relion_user/run.sh --o x", "/home/relion_user/run.sh", "run.sh", "shell"),
        ('"/opt/my tool" --o x', "/opt/my tool", "my tool", "shell"),
        ("touch InitialModel/job009/RELION_JOB_EXIT_SUCCESS", "touch", "touch", "shell"),
    ],
)  # fmt: skip
def test_relions_programs_are_told_from_others(
    line: str, program: str, base_program: str, kind: str
) -> None:
    command = parse_command(line)

    assert (command.program, command.base_program, command.kind) == (program, base_program, kind)
    assert command.text == line.strip()


@pytest.mark.parametrize("line", ["rm -f a", "touch a", "echo a > b", "ln -s a b"])
def test_file_tools_are_known(line: str) -> None:
    assert parse_command(line).is_file_tool


def test_a_relion_program_is_no_file_tool() -> None:
    assert not parse_command("`which rm` -f a").is_file_tool
    assert not parse_command("/opt/bin/touch a").is_file_tool


@pytest.mark.parametrize(
    "line",
    ["`reboot`", "`which relion_refine; reboot` --o x", '`which a` --gpu "0', "a 'b", "a \\"],
)
def test_lines_that_cannot_be_read_are_refused(line: str) -> None:
    with pytest.raises(InputError):
        parse_command(line)


@pytest.mark.parametrize(
    ("line", "redirect", "arguments", "shell"),
    [
        ("echo a.star > b.star", (">", "b.star"), ["a.star"], "echo a.star > b.star"),
        ("echo a >>b", (">>", "b"), ["a"], "echo a >> b"),
        ("echo a > $HOME/b", (">", "$HOME/b"), ["a"], "echo a > ${HOME}/b"),
        ("echo a > b;reboot", (">", "b;reboot"), ["a"], "echo a > 'b;reboot'"),
        ("echo a > $(reboot)", (">", "$(reboot)"), ["a"], "echo a > '$(reboot)'"),
        ('echo "a > b"', None, ["a > b"], "echo 'a > b'"),
        ("echo a > b c", None, ["a", ">", "b", "c"], "echo a '>' b c"),
        ("/opt/bin/mytool.py a > b", None, ["a", ">", "b"], "/opt/bin/mytool.py a '>' b"),
        ("relion_import a > b", None, ["a", ">", "b"], "relion_import a '>' b"),
    ],
)
def test_only_relions_own_redirects_redirect(
    line: str, redirect: tuple[str, str] | None, arguments: list[str], shell: str
) -> None:
    command = parse_command(line)

    found = command.redirect and (command.redirect[0], str(command.redirect[1]))
    assert found == redirect
    assert command.argv[1:] == arguments
    assert command.shell() == shell


def test_relions_redirect_writes_the_file(tmp_path: Path) -> None:
    line = "echo CtfFind/job003/micrographs_ctf.star > coords_suffix_autopick.star"
    assert f"{line.replace('coords', 'AutoPick/job009/coords')}" in corpus_lines()

    subprocess.run(["bash", "-c", parse_command(line).shell()], cwd=tmp_path, check=True)

    written = (tmp_path / "coords_suffix_autopick.star").read_text()
    assert written == "CtfFind/job003/micrographs_ctf.star\n"


@pytest.mark.parametrize(
    "launcher",
    [
        "mpirun -n 5",
        "/opt/openmpi/bin/mpirun --bind-to none -np 5",
        "mpiexec.hydra -n 5",
        "srun --mpi=pmix",
        "srun",
        'mpirun -x "A B" -n $N',
    ],
)
def test_a_launcher_that_relions_template_has_before_the_program_is_known(launcher: str) -> None:
    alone = parse_command("`which relion_refine_mpi` --o Refine3D/job011/run --j 4")

    command = parse_command(f" {launcher} {alone.text}")

    assert command.launcher == launcher
    assert (command.kind, command.argv) == (alone.kind, alone.argv)
    assert command.shell() == alone.shell()
    assert alone.launcher == ""


@pytest.mark.parametrize(
    "line",
    [
        "mpirun -n 4 /opt/bin/mytool.py --o External/job023/ --j 4",
        "/opt/bin/mytool.py --exe `which relion_refine` --o External/job023/",
        "mpirun -n 2 hostname; `which relion_refine_mpi` --o x",
    ],
)
def test_a_command_of_the_users_own_keeps_all_of_its_words(line: str) -> None:
    command = parse_command(line)

    assert (command.kind, command.launcher) == ("shell", "")
    assert len(command.argv) == len(line.split())
