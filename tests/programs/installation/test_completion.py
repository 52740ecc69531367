"""A Tab completes commands, options, values and files, in each shell, and starts no program."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ...all_commands import all_commands
from .typed_line import TypedLine

ROOT = Path(__file__).parents[3]
ENVIRONMENT = ROOT / "deploy" / "environment"

Shell = Callable[[str], TypedLine]

START = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], ["bind 'set bell-style none'"], "."),
    "zsh": (["zsh", "-f", "-i"], ["autoload -Uz compinit", "compinit -u"], "."),
    "tcsh": (["tcsh", "-f"], ["set nobeep"], "source"),
}
ENDS = {"bash": "sh", "zsh": "sh", "tcsh": "csh"}


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of an installation that shells read, and a project in it."""
    prefix = tmp_path_factory.mktemp("prefix")
    command = [sys.executable, "-m", "dispatcher", "help-files", prefix / "share"]
    subprocess.run(command, cwd=ROOT, check=True)
    for end in ("sh", "csh"):
        text = (ENVIRONMENT / f"relion-dispatch.{end}").read_text()
        filled = text.replace("@PREFIX@", str(prefix))
        (prefix / "share" / f"relion-dispatch.{end}").write_text(filled)
    program = prefix / "bin" / "relion-dispatch"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {prefix}/started\n")
    program.chmod(0o755)
    (prefix / "project" / "Refine3D" / "job019").mkdir(parents=True)
    (prefix / "project" / "nothing.sif").touch()
    return prefix


@pytest.fixture
def shell(prefix: Path, tmp_path: Path) -> Iterator[Shell]:
    """``shell("zsh")``: in a project, by somebody who has loaded the environment file."""
    started: list[TypedLine] = []

    def get(name: str, before: bool = False) -> TypedLine:
        command, setup, load = START[name]
        loaded = f"{load} {prefix}/share/relion-dispatch.{ENDS[name]}"
        lines = [loaded, *setup] if before else [*setup, loaded]
        of_login = {"HOME": str(tmp_path), "PATH": "/usr/local/bin:/usr/bin:/bin"}
        # On a dumb terminal, tcsh has no Tab.
        of_login["TERM"] = "vt100" if name == "tcsh" else "dumb"
        started.append(TypedLine(command, prefix / "project", lines, of_login))
        return started[-1]

    yield get
    for each in started:
        each.close()
    assert not (prefix / "started").exists()


def shortened(words: list[str]) -> str:
    """The command with its last word cut to what is still its alone."""
    others = [
        each[-1] for each in all_commands() if each and each[:-1] == words[:-1] and each != words
    ]
    last = words[-1]
    for length in range(1, len(last)):
        if not any(other.startswith(last[:length]) for other in others):
            return " ".join(["relion-dispatch", *words[:-1], last[:length]])
    return " ".join(["relion-dispatch", *words])


@pytest.mark.parametrize("name", START)
def test_every_command_is_completed(name: str, shell: Shell) -> None:
    line = shell(name)
    commands = [words for words in all_commands() if words]
    assert ["images", "add"] in commands

    found = {tuple(words): line.completed(shortened(words)) for words in commands}

    assert found == {tuple(words): " ".join(["relion-dispatch", *words]) for words in commands}


TYPED = {
    "images add --gp": "images add --gpu",
    "images add --gpu nv": "images add --gpu nvidia",
    "images add --gpu=nv": "images add --gpu=nvidia",
    "images add --name x no": "images add --name x nothing.sif",
    "images add --weights Ref": "images add --weights Refine3D",
    "gpu fit --model f": "gpu fit --model fmi",
    "gpu fit --no": "gpu fit --no-mps",
    "cancel Refine3D/j": "cancel Refine3D/job019",
    "relion no": "relion nothing.sif",
    "--vers": "--version",
    # Neither a command nor a file.
    "images verify no": "images verify no",
    "images add --name no": "images add --name no",
    "no": "no",
    # Not a command there.
    "cancel images ve": "cancel images ve",
}


@pytest.mark.parametrize("name", ["bash", "zsh"])
def test_options_values_and_files_are_completed(name: str, shell: Shell) -> None:
    line = shell(name)

    found = {text: line.completed(f"relion-dispatch {text}") for text in TYPED}

    assert found == {text: f"relion-dispatch {whole}" for text, whole in TYPED.items()}


def test_zsh_may_start_its_completion_before_or_after(shell: Shell) -> None:
    assert shell("zsh", before=True).completed("relion-dispatch im") == "relion-dispatch images"


def test_fish_completes_the_same(prefix: Path) -> None:
    def completed(text: str) -> list[str]:
        script = (
            f"set -p fish_complete_path {prefix}/share/fish/vendor_completions.d; "
            f"set -p PATH {prefix}/bin; complete -C 'relion-dispatch {text}'"
        )
        done = subprocess.run(
            ["fish", "--no-config", "-c", script],
            cwd=prefix / "project",
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""
        return sorted(line.partition("\t")[0] for line in done.stdout.splitlines())

    for group in (each for each in all_commands() if each in ([], ["images"], ["site"], ["gpu"])):
        below = sorted(each[-1] for each in all_commands() if each and each[:-1] == group)
        assert completed(" ".join([*group, ""]).lstrip()) == below
    for text, whole in TYPED.items():
        known = [] if text == whole else [whole.rpartition(" ")[2]]
        assert [each.rstrip("/") for each in completed(text)] == known, text
    assert not (prefix / "started").exists()


@pytest.mark.parametrize("shell_of_login", ["dash", "bash", "bash --posix", "zsh -f"])
def test_any_shell_takes_the_environment_file(shell_of_login: str, prefix: Path) -> None:
    command = shell_of_login.split()
    load = f". {prefix}/share/relion-dispatch.sh"
    text = f'set -eu; {load}; {load}; echo "$MANPATH"'
    done = subprocess.run([*command, "-c", text], capture_output=True, text=True, env={})

    assert (done.stdout, done.stderr) == (f"{prefix}/share/man:\n", "")


def test_the_scripts_are_ones_that_shells_and_shellcheck_read(prefix: Path) -> None:
    share = prefix / "share"
    for command in (
        ["shellcheck", share / "bash-completion" / "completions" / "relion-dispatch"],
        ["zsh", "-n", share / "zsh" / "site-functions" / "_relion-dispatch"],
        ["fish", "-n", share / "fish" / "vendor_completions.d" / "relion-dispatch.fish"],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
