"""Each command has a manual page, which man reads without a complaint."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dispatcher.commands.help_files.command_tree import Command
from dispatcher.commands.help_files.man_page import man_pages

from ...all_commands import all_commands

ROOT = Path(__file__).parents[3]
LMOD = Path("/usr/share/lmod/lmod/init/bash")


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Path:
    share = tmp_path_factory.mktemp("prefix") / "share"
    command = [sys.executable, "-m", "dispatcher", "help-files", share]
    subprocess.run(command, cwd=ROOT, check=True)
    return share


def printed(*command: str | Path, **variables: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env=variables or None)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout + done.stderr


def test_there_is_a_page_for_each_command_and_for_relions(share: Path) -> None:
    pages = {path.name for path in (share / "man" / "man1").iterdir()}

    commands = {"-".join(["relion-dispatch", *words]) for words in all_commands()}
    assert pages == {f"{name}.1" for name in {*commands, "relion_dispatch.py"}}


def test_groff_has_nothing_to_say_of_the_pages(share: Path) -> None:
    pages = sorted((share / "man" / "man1").iterdir())

    assert printed("groff", "-man", "-ww", "-Tascii", "-z", *pages) == ""
    # "name - what it is", as whatis and apropos look for it
    names = printed("lexgrog", *pages).splitlines()
    for page, name in zip(pages, names, strict=True):
        assert name.startswith(f'{page}: "{page.stem} - ')


def test_man_finds_and_shows_them_and_still_those_of_the_system(share: Path) -> None:
    variables = {"MANPATH": f"{share}/man:", "PATH": "/usr/bin:/bin", "MANWIDTH": "300"}

    shown = printed("man", "relion-dispatch-images-add", **variables)

    assert "relion-dispatch images add [OPTIONS]" in shown
    assert "--gpu nvidia|amd|intel|none\n" in shown
    assert "The GPUs that the image is for. Default: what RELION in the image was" in " ".join(
        shown.split()
    )
    assert "RELION_QSUB_COMMAND" in printed("man", "relion_dispatch.py", **variables)
    system = printed("manpath", **variables)
    assert system.startswith(f"{share}/man:/usr/")


@pytest.mark.parametrize("end", ["lua", "tcl"])
def test_a_module_adds_our_pages_to_those_of_the_system(
    end: str, share: Path, tmp_path: Path
) -> None:
    text = (ROOT / "deploy" / "environment" / f"relion-dispatch.{end}").read_text()
    name = "relion-dispatch.lua" if end == "lua" else "relion-dispatch"
    (tmp_path / name).write_text(text.replace("@PREFIX@", str(share.parent)))
    script = f""". {LMOD}; module use {tmp_path}; module load relion-dispatch
        man -w relion-dispatch man; module unload relion-dispatch; echo "${{MANPATH-unset}}" """

    for before, after in ((None, "unset"), ("/opt/man", "/opt/man")):
        variables = {"PATH": "/usr/bin:/bin", **({"MANPATH": before} if before else {})}
        found = printed("bash", "-c", script, **variables).split()
        assert found[0] == f"{share}/man/man1/relion-dispatch.1"
        assert found[1].startswith("/usr/share/man/man1/man.1")
        assert found[2] == after


def test_words_that_mean_something_to_groff_are_shown_as_they_are(tmp_path: Path) -> None:
    words = ".br 'quoted' \\fB -- ~user ^ `code` “é” a-b"
    command = Command((), words, "Short.", ("[A]",), (), (), ())
    page = tmp_path / "page.1"
    page.write_text(man_pages(command, "1.0")["relion-dispatch.1"])

    assert printed("groff", "-man", "-ww", "-Tutf8", "-z", page) == ""
    shown = printed("man", "-l", page, PATH="/usr/bin:/bin", MANWIDTH="200", LANG="C.UTF-8")
    assert words.replace("`", "") in shown
