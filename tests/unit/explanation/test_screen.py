"""The screen of an explanation: colours for a terminal alone, and no text of others acts there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dispatcher.commands.explain_screen import screen
from dispatcher.explanation.explain import explanation

from ...fixture_types import CorpusJob, WriteSite

COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def script(site: WriteSite, images: Path, corpus_job: CorpusJob) -> Path:
    assert images
    partition = {"cores": 64, "gpus": 4, "gpu_memory": "24G"}
    content = {"partitions": {"new": partition}, "job_parameters": {"gpu": {"partition": "new"}}}
    site("site.json", {"scheduler": "slurm", **content})
    script = corpus_job("relion-5.0.1/Refine3D_job011")
    script.write_text(script.read_text().replace("/mask.mrc ", "/'\x1b[2J'.mrc "))
    return script


def test_a_terminal_shows_the_same_text_in_colours(
    script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    found = explanation(str(script))

    plain, coloured = (screen(found, 100, colours=each) for each in (False, True))

    assert "\x1b" not in plain
    assert r"\x1b[2J" in plain
    assert re.search(r"\x1b\[31m-\[--gpu ''\]\x1b\[0m", _on_one_line(coloured))
    assert re.search(r"\x1b\[32m\+\[--gpu 0:1:2:3\]\x1b\[0m", _on_one_line(coloured))
    without = [line.rstrip() for line in COLOURS.sub("", coloured).splitlines()]
    assert without == plain.splitlines()


def _on_one_line(coloured: str) -> str:
    """The text of the second column, with what a line ends and the next begins with taken out."""
    return re.sub(r"(\x1b\[0m)?\n\x1b\[36m +(\x1b\[0m)?(\x1b\[[0-9]+m)?", " ", coloured)


def test_no_colours_if_the_user_wants_none(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")

    text = screen(explanation(str(script)), 100, colours=True)

    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", text)


@pytest.mark.parametrize("columns", [40, 60, 80, 132])
def test_no_line_is_wider_than_the_terminal(columns: int, script: Path) -> None:
    lines = screen(explanation(str(script)), columns, colours=False).splitlines()

    assert max(map(len, lines[1:])) <= columns
