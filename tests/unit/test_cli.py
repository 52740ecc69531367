"""``relion-dispatch --help``: what fits on a terminal of 80 columns, and says what there is."""

from __future__ import annotations

import pytest

from dispatcher.cli import main

from ..all_commands import all_commands
from ..fixture_types import CorpusJob


@pytest.mark.parametrize("group", [[], ["gpu"], ["images"], ["site"]], ids=" ".join)
def test_no_command_is_cut_in_the_overview(
    group: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    main([*group, "--help"])

    commands = capsys.readouterr().out.partition("Commands:\n")[2].splitlines()
    assert len(commands) >= 3
    assert [line for line in commands if not line.endswith(".") or line.endswith("...")] == []


@pytest.mark.parametrize("words", all_commands(), ids=" ".join)
def test_each_command_and_group_has_a_short_way_to_its_help(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "-h"]) == 0
    short = capsys.readouterr().out

    assert main([*words, "--help"]) == 0
    assert short == capsys.readouterr().out
    assert short.startswith(f"Usage: {' '.join(['relion-dispatch', *words])}")


def test_relion_takes_any_program(capsys: pytest.CaptureFixture[str]) -> None:
    main(["relion", "--help"])

    assert "Usage: relion-dispatch relion [PROGRAM [ARGS]…]\n" in capsys.readouterr().out


def test_each_option_of_gpu_fit_is_explained(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    main(["gpu", "fit", "--help"])

    options = capsys.readouterr().out.partition("Options:\n")[2].split("\n  --")
    assert len(options) >= 8
    for option in options:
        _, _, said = option.partition("  ")
        assert said.strip() and not said.strip().startswith("["), option


@pytest.mark.usefixtures("images")
def test_plan_takes_a_jobs_folder(
    corpus_job: CorpusJob, capsys: pytest.CaptureFixture[str]
) -> None:
    script = corpus_job("relion-5.0.1/PostProcess_job016")

    assert main(["plan", str(script.parent)]) == 0
    of_folder = capsys.readouterr().out
    assert main(["plan", str(script)]) == 0
    assert capsys.readouterr().out == of_folder
