"""A job that goes on, and what happens while it waits for its next run."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from ..beds.preempting import PreemptingBed
from ..hook_calls import dispatch
from ..project import ROOT
from .conftest import Refines, Watched
from .made_up_refinement import MadeUpRefinement
from .table import CUTTING, PREEMPTING
from .test_aborts import ABORT


def cut_after_an_iteration(refines: Refines, command: Path | None = None) -> MadeUpRefinement:
    """A refinement that waits for its second run."""
    refinement = refines(command)
    refinement.submit()
    refinement.wait_for_iteration(1)
    refinement.cut()
    return refinement


def assert_one_run(refinement: MadeUpRefinement) -> None:
    """The program was started once."""
    assert len(refinement.began()) == 1


@pytest.mark.parametrize("bed", CUTTING, indirect=True)
def test_an_abort_between_two_runs(
    bed: PreemptingBed | None, refines: Refines, sees: Watched
) -> None:
    """It ends as soon as it is its turn; on this machine, when its user looks."""
    refinement = cut_after_an_iteration(refines)

    began = time.time()
    (refinement.job / ABORT).touch()
    if not bed:
        refused = refinement.project.relion_dispatch("resume", refinement.name)
        assert "it is to be aborted" in refused.stderr
        dispatch(refinement.project, "status")

    says = "aborted in RELION"
    fault = "abort between two runs"
    sees(fault, refinement.project, refinement.job, since=began, end="Aborted", says=says)
    assert_one_run(refinement)


@pytest.mark.parametrize("bed", PREEMPTING, indirect=True)
def test_a_job_that_is_cancelled_in_the_scheduler_between_two_runs(
    bed: PreemptingBed, refines: Refines, sees: Watched
) -> None:
    """Nobody looks: it is the watcher that tells."""
    refinement = cut_after_an_iteration(refines)

    began = time.time()
    bed.cancel(refinement.number)

    fault = "cancelled in the scheduler while the next run waits"
    says = bed.cancelled_between
    sees(fault, refinement.project, refinement.job, since=began, end="Failed", says=says)
    assert_one_run(refinement)


@pytest.mark.parametrize("bed", CUTTING, indirect=True)
def test_a_job_that_is_cancelled_between_two_runs(
    bed: PreemptingBed | None, refines: Refines, sees: Watched
) -> None:
    refinement = cut_after_an_iteration(refines)

    began = time.time()
    dispatch(refinement.project, "cancel", refinement.name)

    fault = "`relion-dispatch cancel` while the next run waits"
    says = "cancelled with `relion-dispatch cancel` while it waited to go on"
    sees(fault, refinement.project, refinement.job, since=began, end="Aborted", says=says)
    assert_one_run(refinement)


def another_version(installation: Path, site: Path) -> None:
    """Put another version in the place of an installation, none of whose shell does what it did;
    the site has templates of its own from now on."""
    new = installation.with_name("new")
    shutil.copytree(installation, new)
    version = new / "dispatcher" / "__init__.py"
    version.write_text(version.read_text().replace('"0.', '"9.'))
    changed = [*new.glob("job_template/**/*.sh"), *new.glob("job_template/**/*.j2")]
    assert len(changed) > 30
    for file in changed:
        file.write_text("echo of another version; exit 64\n")
    shutil.copytree(new / "job_template", site / "job_template")
    installation.rename(installation.with_name("old"))
    new.rename(installation)


@pytest.mark.parametrize("bed", CUTTING, indirect=True)
def test_an_upgrade_between_two_runs(
    bed: PreemptingBed | None, refines: Refines, tmp_path: Path, sees: Watched
) -> None:
    """The job keeps its own script and library."""
    installation = tmp_path / "installation" / "relion-dispatch"
    for folder in ("config", "deploy", "dispatcher", "job_template"):
        shutil.copytree(ROOT / folder, installation / folder)
    command = installation / "deploy" / "relion-dispatch"
    refinement = refines(command)
    version = dispatch(refinement.project, "--version")
    refinement.submit()
    refinement.wait_for_iteration(1)
    site = Path(refinement.project.environment["RELION_DISPATCH_SITE"])
    refinement.cut()

    another_version(installation, site)
    assert dispatch(refinement.project, "--version") != version
    row = refinement.row()
    assert row["relion"] == "Running", row
    refinement.next_run()

    refinement.wait_for_program(2)
    began = refinement.may_end()
    fault = "upgrade between two runs"
    sees(fault, refinement.project, refinement.job, since=began, end="Succeeded")
    refinement.assert_went_on("preemption" if bed else "lost_node", 1)
    assert "another version" not in refinement.texts()


@pytest.mark.parametrize("bed", CUTTING, indirect=True)
def test_a_pin_that_is_moved_between_two_runs(
    bed: PreemptingBed | None, refines: Refines, versions: dict[str, str], sees: Watched
) -> None:
    """The job stays with its own image."""
    refinement = cut_after_an_iteration(refines)
    pin = refinement.project.folder / ".relion_dispatch.json"
    before = pin.read_text()

    pin.write_text(json.dumps({"images": {"relion": {"version": versions["3"]}}}))
    refinement.next_run()

    refinement.wait_for_program(2)
    pin.write_text(before)  # RELION's pipeliner goes by it as well
    began = refinement.may_end()
    fault = "pin moved between two runs"
    sees(fault, refinement.project, refinement.job, since=began, end="Succeeded")
    refinement.assert_went_on("preemption" if bed else "lost_node", 1)
    first, second = (image for *_, image in refinement.began())
    assert versions["5"] in first
    assert first == second
