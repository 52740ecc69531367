"""The sites that `site init` makes of large clusters."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from dispatcher.config.job_types import load_job_types
from dispatcher.config.json_edit import without_comments
from dispatcher.config.places import config_path
from dispatcher.scheduler.surveyed import Surveyed
from dispatcher.site.init.content import NewSite, of_cluster

from .clusters import GRID_ENGINE, LSF, PBS, SLURM, answers

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


@pytest.fixture
def made() -> Callable[[str], NewSite]:
    """``made("slurm")``: the site of the large cluster with that scheduler."""
    return site_of


@pytest.fixture
def keys_of(made: Callable[[str], NewSite]) -> Callable[[str], dict[str, Any]]:
    """``keys_of("slurm")``: what its site.json says, without comments."""
    return lambda scheduler: dict(without_comments(made(scheduler).content))
