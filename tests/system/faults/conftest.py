"""What the suite has seen, for docs/faults.md: written where UPDATE_FAULTS says, by update.sh."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..project import Project
from .observation import observe
from .table import FAULTS, Seen, as_page

Watched = Callable[..., Seen]


@pytest.fixture
def form() -> str:
    """What becomes of a job does not depend on the form of the dispatcher."""
    return "python"


@pytest.fixture(scope="session")
def all_seen(versions: dict[str, str]) -> Iterator[dict[str, Seen]]:
    """What was seen of each fault."""
    seen: dict[str, Seen] = {}
    yield seen
    if target := os.environ.get("UPDATE_FAULTS"):
        slurm = subprocess.check_output(["sbatch", "--version"], text=True).split()[-1]
        apptainer = subprocess.check_output(
            [os.environ["RELION_TEST_APPTAINER"], "--version"], text=True
        ).split()[-1]
        parts = (
            f"RELION {versions['5']} in Apptainer {apptainer.partition('-')[0]}, Slurm {slurm} "
            f"and `local`, {time.strftime('%B %Y')}"
        )
        Path(target).write_text(as_page(seen, parts))


@pytest.fixture
def sees(all_seen: dict[str, Seen]) -> Watched:
    """Observe the end of a job after a fault of the list, for the table."""

    def watched(fault: str, project: Project, job: Path, **expected: object) -> Seen:
        assert any(fault in faults for faults in FAULTS.values()), fault
        seen = observe(project, job, **expected)  # type: ignore[arg-type]
        before = all_seen.get(fault, seen)  # of another variant of the fault: the slower one counts
        all_seen[fault] = max(before, seen, key=lambda each: each.seconds or 0)
        return seen

    return watched
