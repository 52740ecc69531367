"""A world for the cases, and settings that no case of another user's changes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.config.gpu_vendors import VENDORS
from dispatcher.config.site import Partition
from dispatcher.jobs import cancel, repair
from dispatcher.planning import make_plan
from dispatcher.relion import pipeline

from .world import World


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """One for all kinds: each case leaves it as it was. Nothing waits there, or has a GPU."""
    memory = Path("/dev/shm")  # where a file takes less time than on a disk
    with (
        tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as made,
        pytest.MonkeyPatch.context() as patch,
    ):
        folder = Path(made)
        for name, place in (
            ("XDG_CACHE_HOME", "cache"),
            ("XDG_STATE_HOME", "state"),
            ("RELION_DISPATCH_RUNTIME", "runtime"),
            ("RELION_DISPATCH_SITE", "world/site"),
        ):
            patch.setenv(name, str(folder / place))
        without_driver = VENDORS["nvidia"]._replace(cards=folder / "no driver")
        patch.setitem(VENDORS, "nvidia", without_driver)
        patch.setattr(make_plan, "this_machine", lambda vendor: Partition())
        for module, name in (
            (cancel, "GRACE"),
            (cancel, "WAIT"),
            (repair, "GRACE"),
            (pipeline, "PAUSE"),
        ):
            patch.setattr(module, name, 0)
        found = World(folder / "world")
        patch.chdir(found.project)
        yield found
