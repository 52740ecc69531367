"""Parameters of a command are read, set and taken out; everything else stays."""

from __future__ import annotations

import pytest

from dispatcher.host.shell_words import Word
from dispatcher.relion.command import Command, parse_command

REFINE = (
    "`which relion_refine_mpi` --o Refine3D/job011/run --auto_refine --i p.star --angpix -1 "
    '--j 4 --gpu "0:1" --pad 2 --pad 1 --other_args " --K 3 " --x=5  --pipeline_control R/job011/'
)


@pytest.mark.parametrize(
    ("name", "value"),
    [("o", "Refine3D/job011/run"), ("gpu", "0:1"), ("angpix", "-1"), ("auto_refine", ""),
     ("pad", "1"), ("x", "5"), ("other_args", " --K 3 "), ("K", None), ("absent", None)],
)  # fmt: skip
def test_a_parameters_value(name: str, value: str | None) -> None:
    command = parse_command(REFINE)

    assert command.value(name) == value
    assert (name in command) is (value is not None)


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [('relion_refine --gpu ""', "gpu", ""), ("relion_refine --gpu", "gpu", ""),
     ("relion_refine --gpu --o x", "gpu", ""), ("relion_refine --ini -1.5e3", "ini", "-1.5e3"),
     ("relion_refine --x=", "x", ""), ("relion_refine --x=a=b", "x", "a=b"),
     ("relion_python_modelangelo build -d 0,1", "d", "0,1"),
     ("relion_refine --scratch_dir /s/${JOB}x", "scratch_dir", "/s/${JOB}x")],
)  # fmt: skip
def test_values_that_are_easily_misread(line: str, name: str, value: str) -> None:
    assert parse_command(line).value(name) == value


@pytest.mark.parametrize(
    ("line", "subcommand"),
    [("relion_python_modelangelo build  -pf seq.fasta", "build"),
     ("`which relion_python_tomo_denoise`  cryoCARE:train  --gpu 0", "cryoCARE:train"),
     ("relion_python_dynamight explore-latent-space D/job1/", "explore-latent-space"),
     ("relion_refine --o x", None), ("relion_refine", None)],
)  # fmt: skip
def test_the_sub_command(line: str, subcommand: str | None) -> None:
    command = parse_command(line)

    assert command.subcommand == subcommand
    assert subcommand is None or subcommand in command


@pytest.mark.parametrize(
    ("line", "name", "left"),
    [
        ('relion_refine --gpu "0:1" --o x', "gpu", ["--o", "x"]),
        ('relion_refine --gpu "" --o x', "gpu", ["--o", "x"]),
        ("relion_refine --gpu --o x", "gpu", ["--o", "x"]),
        ("relion_refine --o x --gpu", "gpu", ["--o", "x"]),
        ("relion_refine --pad 2 --o x --pad 1", "pad", ["--o", "x"]),
        ("relion_refine --pad --pad 1 x", "pad", ["x"]),
        ("relion_refine --angpix -1 --o x", "angpix", ["--o", "x"]),
        ("relion_refine --gpu=0 rest --o x", "gpu", ["rest", "--o", "x"]),
        ("relion_refine --gpu 0 --gpus 1", "gpu", ["--gpus", "1"]),
        ("relion_refine --i gpu", "gpu", ["--i", "gpu"]),
        ("relion_x build -d 0,1 -o x", "-d", ["build", "-o", "x"]),
        ("relion_x build -d 0,1 -o x", "d", ["build", "-o", "x"]),
        ("relion_x --a 1", "b", ["--a", "1"]),
    ],
)
def test_a_parameter_is_taken_out_with_its_value(line: str, name: str, left: list[str]) -> None:
    assert parse_command(line).without(name).argv[1:] == left


def test_a_parameter_is_replaced_wherever_it_stood() -> None:
    command = parse_command('relion_refine --gpu "0" --o x --gpu "1"')

    changed = command.with_option("--gpu", (Word.literal(""),))

    assert changed.argv == ["relion_refine", "--o", "x", "--gpu", ""]
    assert changed.shell() == "relion_refine --o x --gpu ''"
    assert command.argv.count("--gpu") == 2, "the command itself stays as it was"


def test_a_flag_is_set_without_a_value() -> None:
    assert parse_command("relion_refine --o x").with_option("--blush", ()).argv[-1] == "--blush"


@pytest.mark.parametrize(
    ("line", "wanted", "program"),
    [("`which relion_refine` --o x", True, "relion_refine_mpi"),
     ("`which relion_refine_mpi` --o x", True, "relion_refine_mpi"),
     ("`which relion_refine_mpi` --o x", False, "relion_refine"),
     ("/opt/relion_refine --o x", True, "/opt/relion_refine_mpi")],
)  # fmt: skip
def test_mpi_is_put_on_and_taken_off(line: str, wanted: bool, program: str) -> None:
    changed = parse_command(line).with_mpi(wanted)

    assert changed.program == program
    assert changed.argv[1:] == ["--o", "x"]


def test_order_repeats_and_single_dashes_survive() -> None:
    line = "relion_x build -pf a.fasta --n 2 2 2 --n 3 pos -1 --flag  --e '' --pipeline-control d/"

    command = parse_command(line)

    assert isinstance(command, Command)
    assert command.argv[1:] == ["build", "-pf", "a.fasta", "--n", "2", "2", "2", "--n", "3", "pos",
                                "-1", "--flag", "--e", "", "--pipeline-control", "d/"]  # fmt: skip
