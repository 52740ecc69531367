"""Projects whose ranks share a GPU, and nothing that their jobs leave."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ...waiting import wait_for
from ..project import MakeProject, Project
from .daemons import daemons, keepers, left_behind

MakeMpsProject = Callable[..., Project]


@pytest.fixture(autouse=True)
def nothing_stays(tmp_path: Path) -> Iterator[None]:
    """After each test its projects have no process left, and this machine no folder of the dead."""
    before = left_behind()
    yield
    wait_for(lambda: not [*daemons(tmp_path), *keepers(tmp_path)], 10, "the daemons' end")
    wait_for(lambda: left_behind() <= before, 5, "the folders' end")


@pytest.fixture
def mps_project(make_project: MakeProject) -> MakeMpsProject:
    """A project whose refinements share one GPU between two followers, with the daemon on PATH."""

    def make(scheduler: str = "local", major: str = "5", **options: object) -> Project:
        refine = {"ngpu": 1, "nproc": 3, **options.pop("refine", {})}  # type: ignore[dict-item]
        project = make_project(major, scheduler=scheduler, refine=refine, **options)
        project.environment["PATH"] = f"{os.environ['RELION_TEST_MPS']}:{os.environ['PATH']}"
        return project

    return make
