"""What whoever submits has set in bash does not change what the script does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dispatcher.config.inherited import SHELL

from .conftest import JOB_TEMPLATE, Shell


def test_options_of_bash_are_as_bash_has_them(shell: Shell) -> None:
    usual = shell.says("shopt; echo $SHELLOPTS")

    said = shell.says(
        "forget_shell_settings; shopt; echo $SHELLOPTS",
        BASHOPTS="nullglob:failglob:nocasematch:extglob:compat31:expand_aliases",
        SHELLOPTS="noglob:allexport:noclobber:physical:verbose",
    )

    assert said == usual


def test_the_same_variables_are_forgotten_here_and_at_submission() -> None:
    text = (JOB_TEMPLATE / "library" / "shell.sh").read_text()
    (unset,) = re.findall(r"^    unset ([A-Z_\\\s]+)\n", text, re.MULTILINE)

    assert unset.replace("\\", " ").split() == [*SHELL]


@pytest.mark.parametrize("name", sorted(set(SHELL) - {"IFS", "BASH_ENV", "ENV"}))
def test_variables_that_change_what_bash_does_are_forgotten(name: str, shell: Shell) -> None:
    said = shell.says(f'export {name}=4.2; forget_shell_settings; echo "<${{{name}-}}>"')

    assert said == "<>"


def test_a_folder_for_temporary_files_must_be_there(shell: Shell, tmp_path: Path) -> None:
    """A job in which somebody submits may have one of its own."""
    code = "forget_shell_settings; echo $TMPDIR"

    assert shell.says(code, TMPDIR="/nowhere") == ""
    assert shell.says(code, TMPDIR=tmp_path) == str(tmp_path)
