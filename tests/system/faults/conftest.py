"""What the suite has seen, for docs/faults.md: written where UPDATE_FAULTS says, by update.sh."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..project import ROOT, Project
from .observation import observe
from .table import FAULTS, Seen, as_page

Watched = Callable[..., Seen]

# Faults of each kind that run each time; `tests/run.sh long` runs all, for docs/faults.md.
EACH_TIME = {
    "test_while_it_waits",
    "test_while_it_runs",
    "test_full_while_it_runs",
    "test_a_missing_particle_stack",
    "test_relions_own_error_is_quoted",
    "test_when_the_job_is_in_the_queue",
    "test_a_running_job_is_cancelled",
    "test_a_slurm_job_is_killed",
    "test_shells_of_a_local_job_are_killed",
    "test_a_clear_refusal_is_final_at_once",
    "test_a_job_that_was_taken_without_a_word",
    "test_of_two_copies_in_slurm_one_runs",
    "test_no_file_can_be_made_at_submission",
    "test_an_earlier_record_cannot_be_read",
    "test_no_locks_at_the_jobs_end",
    # On Grid Engine:
    "test_a_waiting_job_is_deleted",
    "test_a_running_job_is_deleted",
    "test_a_time_limit",
    "test_a_grid_engine_job_is_killed",
    "test_a_program_ends_with_a_status_that_has_a_meaning",
    "test_a_submission_that_lies",
    "test_the_master_is_down_for_a_while",
}


def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Mark the faults that need not run each time."""
    for item in items:
        if item.path.parent == Path(__file__).parent and item.originalname not in EACH_TIME:
            item.add_marker(pytest.mark.long)


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
        assert "PYTEST_XDIST_WORKER" not in os.environ, "one process writes the table: omit -n"
        slurm = subprocess.check_output(["sbatch", "--version"], text=True).split()[-1]
        apptainer = subprocess.check_output(
            [os.environ["RELION_TEST_APPTAINER"], "--version"], text=True
        ).split()[-1]
        parts = (
            f"RELION {versions['5']} in Apptainer {apptainer.partition('-')[0]}, Slurm {slurm}, "
            f"Grid Engine 8.1.9 and `local`, {time.strftime('%B %Y')}"
        )
        before = (ROOT / "docs" / "faults.md").read_text()
        Path(target).write_text(as_page(seen, parts, before))


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
