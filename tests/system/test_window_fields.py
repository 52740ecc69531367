"""What is typed into the site's fields of RELION's window, from real RELION to the real queue."""

from __future__ import annotations

import pytest

from .hook_calls import PYTHON, change_site
from .jobs import REFINE
from .project import MakeProject


@pytest.mark.parametrize(("major", "form"), [("5", "python"), ("3", "python"), ("5", "appliance")])
def test_a_typed_time_and_number_of_gpus_are_what_the_job_gets(
    major: str, make_project: MakeProject
) -> None:
    project = make_project(major)
    project.environment["RELION_DISPATCH_FIELDS"] = "gpus,time"  # of another window
    job = project.add_job("refine3d", **REFINE, qsub_extra1="12h", qsub_extra2="1")
    script = (job / "run_submit.script").read_text()
    assert "\nqueue: gpu\n" in script
    assert "\nextra1: 12h\nextra2: 1\nextra3: auto\n" in script
    assert "\nextra6: XXXextra6XXX\n" in script

    project.run_job(job)

    project.assert_succeeded(job)
    record = project.record(job)
    assert record["window"] == {"time": "12h", "gpus": "1"}
    assert (record["job_parameters"]["time"], record["ngpu"]) == ("12:00:00", 1)
    asked = (job / "run_submit.script.run").read_text()
    assert "\n#SBATCH --time=12:00:00\n" in asked
    assert "\n#SBATCH --gres=gpu:1\n" in asked


@PYTHON
@pytest.mark.parametrize("major", ["5", "3"])
def test_a_wrong_value_is_refused_in_relions_window(major: str, make_project: MakeProject) -> None:
    project = make_project(major)
    job = project.add_job("refine3d", **REFINE, qsub_extra1='"a week"')

    project.run_job(job)

    assert project.status(job) == "Failed"
    says = (job / "run.err").read_text()
    assert '"Time limit" in RELION\'s window: expected a time such as 12h' in says


@PYTHON
def test_the_fields_are_those_of_the_session_when_the_admin_changes_them(
    make_project: MakeProject,
) -> None:
    """One job is added and run in a window that was opened before, and one in a new window."""
    project = make_project("5")
    first = project.add_job("maskcreate", fn_in="reference.mrc", qsub_extra1="2h")
    fields = dict.fromkeys(["time", "gpus", "memory", "account", "options"])
    offered = {**fields, "beamline": {}, "hours": {}, "goes_on": {}}
    change_site(project, window={"fields": offered})
    second = project.add_job("refine3d", **REFINE, qsub_extra1="12h", qsub_extra3="Yes")

    project.run_job(second)

    project.assert_succeeded(second)
    assert "\nextra3: auto\n" in (first / "run_submit.script").read_text()
    assert "\nextra4: XXXextra4XXX\n" in (second / "run_submit.script").read_text()
    record = project.record(second)
    assert record["window"] == {"beamline": "12h", "goes_on": "Yes"}
    assert record["goes_on"]["after"]
