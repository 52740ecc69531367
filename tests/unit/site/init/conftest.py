"""The sites that `site init` makes of large clusters."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from dispatcher.cli import main
from dispatcher.config.job_types import load_job_types
from dispatcher.config.json_edit import without_comments
from dispatcher.config.places import config_path
from dispatcher.host.programs import Finished
from dispatcher.scheduler import survey
from dispatcher.scheduler.surveyed import Surveyed
from dispatcher.site.init.content import NewSite, of_cluster

from .clusters import GRID_ENGINE, LSF, PBS, SLURM, answers

Keys = Callable[[str], dict[str, Any]]
Made = Callable[[str], NewSite]
Init = Callable[..., tuple[int, str]]

TEXTS = {"slurm": SLURM, "gridengine": GRID_ENGINE, "pbs": PBS, "lsf": LSF}


def surveyed(scheduler: str, texts: Mapping[str, str] | None = None) -> Surveyed | None:
    module = importlib.import_module(f"dispatcher.scheduler.surveys.{scheduler}")
    told: Surveyed | None = module.survey(answers(TEXTS[scheduler] if texts is None else texts))
    return told


def site_of(scheduler: str, texts: Mapping[str, str] | None = None) -> NewSite:
    """The site of a cluster whose commands print these texts; of the large one without."""
    told = surveyed(scheduler, texts)
    assert told
    return of_cluster(scheduler, told, load_job_types(config_path("dispatch_config.json")).types)


def site_of_slurm(partitions: Sequence[str], nodes: Sequence[str]) -> NewSite:
    texts = {"partition": "\n".join(partitions), "node": "\n".join(nodes)}
    return site_of(
        "slurm", {f"scontrol --all --oneliner show {key}": text for key, text in texts.items()}
    )


def comments(site: NewSite, partition: str) -> str:
    return " ".join(site.content["partitions"][partition].get("__comment__", []))


@pytest.fixture
def made() -> Callable[[str], NewSite]:
    """``made("slurm")``: the site of the large cluster with that scheduler."""
    return site_of


@pytest.fixture
def keys_of(made: Callable[[str], NewSite]) -> Callable[[str], dict[str, Any]]:
    """``keys_of("slurm")``: what its site.json says, without comments."""
    return lambda scheduler: dict(without_comments(made(scheduler).content))


@pytest.fixture
def print_as(monkeypatch: pytest.MonkeyPatch) -> Callable[[Mapping[str, str]], None]:
    """Have the schedulers' commands print these texts, by their words.

    Programs that none of the texts is of are not there; other commands of those that are fail.
    """

    def stand_in(texts: Mapping[str, str]) -> None:
        programs = {words.split()[0] for words in texts}

        def call(_: object, argv: list[str], __: Path) -> Finished:
            if argv[0] not in programs:
                raise FileNotFoundError(2, "No such file", argv[0])
            text = texts.get(" ".join(argv))
            return Finished(1, "", "no") if text is None else Finished(0, text, "")

        monkeypatch.setattr(survey, "call", call)

    return stand_in


@pytest.fixture
def init(capsys: pytest.CaptureFixture[str]) -> Init:
    """Run the command: exit status, and all that it printed."""

    def run(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        status = main(["site", "init", *arguments])
        return status, "".join(capsys.readouterr())

    return run
