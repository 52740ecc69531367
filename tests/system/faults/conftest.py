"""The beds, and what was seen on them, for docs/faults.md: written where UPDATE_FAULTS says."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..beds import BEDS, Bed
from ..beds.preempting import PreemptingBed
from ..project import ROOT, MakeProject, Project
from .made_up_refinement import MadeUpRefinement
from .observation import observe
from .page import Seen, as_page
from .table import FAULTS

Watched = Callable[..., Seen]
Refines = Callable[..., MadeUpRefinement]

# tests/system/goes_on has these with real refinements; nobody else is on their cluster.
TESTS_OF_JOBS_THAT_GO_ON = {
    "test_cut_in_its_first_iteration",
    "test_two_cuts_without_progress",
    "test_a_disk_that_is_full_and_free_again",
    "test_a_disk_that_stays_full",
    "test_a_scheduler_that_answers_again_in_time",
    "test_a_slurm_that_does_not_answer_after_it_has_cancelled_the_job",
    "test_a_scheduler_that_does_not_answer_at_the_time_limit",
    "test_a_node_that_is_lost_while_its_programs_live_on",
    "test_a_node_that_an_admin_sets_to_down",
    "test_an_abort_between_two_runs",
    "test_a_job_that_is_cancelled_in_the_scheduler_between_two_runs",
    "test_a_job_that_is_cancelled_between_two_runs",
    "test_an_upgrade_between_two_runs",
    "test_a_pin_that_is_moved_between_two_runs",
}
# What runs each time; `tests/run.sh long` runs all, for docs/faults.md. The oldest Slurm has all
# but what takes minutes, or the whole cluster.
NOT_EACH_TIME = {
    "test_a_time_limit",
    "test_a_time_limit_that_nobody_heeds",
    "test_a_lost_node",
    "test_at_each_of_its_steps",
    "test_two_hundred_submissions_of_two_projects_at_once",
    "test_submissions_at_once_to_a_server_that_is_overrun",
    *TESTS_OF_JOBS_THAT_GO_ON,
}
# On each other bed a set of ten.
EACH_TIME = {
    "test_a_clear_refusal_is_final_at_once",
    "test_a_job_that_was_taken_without_a_word",
    "test_the_server_is_down_for_a_while",
    "test_of_two_copies_in_the_queue_one_runs",
    "test_when_the_job_is_in_the_queue",
    "test_a_waiting_job_is_cancelled",
    "test_a_running_job_is_cancelled",
    "test_a_job_is_killed",
    "test_while_it_waits",
    "test_while_it_runs",
}
# What never comes near a scheduler.
EACH_TIME_LOCALLY = {
    "test_while_it_runs_here",
    "test_full_while_it_runs",
    "test_a_missing_particle_stack",
    "test_relions_own_error_is_quoted",
    "test_shells_of_a_local_job_are_killed",
    "test_no_file_can_be_made_at_submission",
}


def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Mark the faults that need not run each time."""
    for item in items:
        if item.path.parent == Path(__file__).parent and not _runs_each_time(item):
            item.add_marker(pytest.mark.long)


def _runs_each_time(item: pytest.Function) -> bool:
    bed = item.callspec.params.get("bed") if hasattr(item, "callspec") else None
    if bed is None:
        return item.originalname in EACH_TIME_LOCALLY
    if bed == "slurm-oldest":
        return item.originalname not in NOT_EACH_TIME
    return item.originalname in EACH_TIME


@pytest.fixture
def form() -> str:
    """What becomes of a job does not depend on the form of the dispatcher."""
    return "python"


@pytest.fixture(params=BEDS)
def bed(
    request: pytest.FixtureRequest,
    make_project: MakeProject,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Bed | None]:
    """Each cluster in turn, its commands on PATH; None is this machine, if a test names it."""
    if request.param == "local":
        yield None
        return
    folder = tmp_path / "bed"
    folder.mkdir()
    bed = BEDS[request.param](request.param, make_project, folder, monkeypatch)
    yield bed
    bed.stop()


@pytest.fixture
def refines(bed: PreemptingBed | None, make_project: MakeProject) -> Iterator[Refines]:
    """Make a refinement that goes on; the keywords are its `job_parameters`."""
    made: list[MadeUpRefinement] = []

    def make(command: Path | None = None, **submit: object) -> MadeUpRefinement:
        made.append(MadeUpRefinement(make_project, bed, command, **submit))
        return made[-1]

    if bed:
        bed.go_to_preempting()
    yield make
    for refinement in made:
        refinement.kill()


class Page:
    """The page, which is written anew after each fault: a run that ends early loses nothing."""

    def __init__(self, relion: str) -> None:
        self.relion = relion
        self.seen: dict[tuple[str, str], Seen] = {}
        self.parts: dict[str, str] = {}
        self.target = os.environ.get("UPDATE_FAULTS")
        self.before = (ROOT / "docs" / "faults.md").read_text()
        beside = "PYTEST_XDIST_WORKER" in os.environ
        assert not (self.target and beside), "one process writes the table: omit -n"

    def add(self, fault: str, bed: str, seen: Seen) -> None:
        """Of several variants of a fault the slowest counts."""
        before = self.seen.get((fault, bed), seen)
        self.seen[fault, bed] = max(before, seen, key=lambda each: each.seconds or 0)
        if self.target:
            self.parts[bed] = self.parts.get(bed) or parts_of(bed, self.relion)
            Path(self.target).write_text(as_page(self.seen, self.parts, self.before))


@pytest.fixture(scope="session")
def page(versions: dict[str, str]) -> Page:
    """What is seen of each fault on each bed."""
    return Page(versions["5"])


def parts_of(bed: str, relion: str) -> str:
    """The versions of what runs, and the day; the bed's commands are on PATH."""
    named = {
        "gridengine": "Grid Engine 8.1.9",
        "pbs": "the tests' own daemon, which answers as OpenPBS 23.06.06 does",
        "lsf": "the tests' own daemon, written to the pages of LSF 10.1",
        "local": "this machine",
    }
    if bed not in named:
        printed = subprocess.check_output(["sbatch", "--version"], text=True)
        named[bed] = f"Slurm {printed.split()[-1]}"
    printed = subprocess.check_output([os.environ["RELION_TEST_APPTAINER"], "--version"], text=True)
    apptainer = printed.split()[-1].partition("-")[0]
    today = f"{time.localtime().tm_mday} {time.strftime('%B %Y')}"
    return f"{named[bed]}; RELION {relion} in Apptainer {apptainer}; {today}"


@pytest.fixture
def sees(page: Page, request: pytest.FixtureRequest) -> Watched:
    """Observe the end of a job after a fault of the list, for the table."""
    bed: Bed | None = request.getfixturevalue("bed") if "bed" in request.fixturenames else None
    name = bed.name if bed else "local"

    def watched(fault: str, project: Project, job: Path, **expected: object) -> Seen:
        assert any(name in faults.get(fault, ()) for faults in FAULTS.values()), (fault, name)
        seen = observe(project, job, bed, **expected)  # type: ignore[arg-type]
        page.add(fault, name, seen)
        return seen

    return watched
