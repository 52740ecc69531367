"""RELION's own pipeliner submits real jobs through the hook to a real Grid Engine 8.1.9."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ..waiting import wait_for, wait_for_end
from .gridengine_site import (
    MakeGridEngine,
    accounted,
    asked,
    change_gridengine,
    in_queue,
    on_gridengine_site,
    queue_says,
)
from .hook_calls import change_site, dispatch, job_id, start_hook, submitted
from .jobs import REFINE, mark_running, mask_job, sleeping_job
from .project import MakeProject


@pytest.fixture
def form() -> str:
    """What Grid Engine makes of a job does not depend on the form of the dispatcher."""
    return "python"


@pytest.fixture
def on_gridengine(make_project: MakeProject) -> MakeGridEngine:
    """Make a project on the site of the test cluster with Grid Engine."""
    return on_gridengine_site(make_project)


def error(job: Path) -> str:
    return (job / "run.err").read_text()


def test_a_refinement_runs_as_ranks_on_gpus(on_gridengine: MakeGridEngine) -> None:
    project = on_gridengine()
    job = project.add_job("refine3d", **REFINE)

    project.run_job(job)

    project.assert_succeeded(job)
    assert (job / "run_it002_half1_class001.mrc").stat().st_size > 0
    record = project.record(job)
    assert (record["nproc"], record["ngpu"], record["scheduler"]) == (3, 2, "gridengine")
    found = accounted(record["job_id"])
    assert (found["qname"], found["slots"], found["granted_pe"]) == ("gpu.q", "3", "smp")
    assert found["jobname"] == f"Refine3D.{job.name}.{record['token']}"
    assert re.search(r" gpu=2,h_rt=3600,ram=170[67]M ", found["category"])
    wait_for(lambda: not in_queue(record["watcher"]["job_id"]), 30, "the watcher's end")


def test_defaults_of_the_user_and_odd_signs_in_a_path_change_nothing(
    on_gridengine: MakeGridEngine,
) -> None:
    project = on_gridengine(name="a project: 100% $HOME, ours")
    (project.folder / ".sge_request").write_text(
        "-q nowhere.q -N other -r y -o /nowhere -p -1000\n"
    )
    job = mask_job(project)

    project.run_job(job)

    project.assert_succeeded(job)
    assert "relion-dispatch" in (job / "run.out").read_text()


def test_a_job_gets_the_environment_in_which_it_was_submitted(
    on_gridengine: MakeGridEngine,
) -> None:
    project = on_gridengine()
    program = project.folder / "program"
    program.write_text('#!/bin/bash\nprintf "%s|" "$SEEN" "$PATH" "$LD_LIBRARY_PATH" >seen\n')
    program.chmod(0o755)
    job = project.add_job("external", fn_exe=str(program))
    mark_running(project, job)
    path = f"/some/bin:{os.environ['PATH']}"

    hook = start_hook(project, job, SEEN="a, b=c\nd", PATH=path, LD_LIBRARY_PATH="/some/lib")

    assert hook.wait(60) == 0
    wait_for_end(job, "SUCCESS", 60)
    seen, on_path, libraries, _ = (project.folder / "seen").read_text().split("|")
    assert (seen, libraries) == ("a, b=c\nd", "/some/lib")
    assert on_path.startswith(path)


@pytest.mark.parametrize("status", [99, 100])
def test_a_program_may_end_with_any_status(status: int, on_gridengine: MakeGridEngine) -> None:
    """After 99 Grid Engine would run it again, after 100 keep it in the queue for ever."""
    project = on_gridengine()
    program = project.folder / "program"
    program.write_text(f"#!/bin/bash\necho runs\nexit {status}\n")
    program.chmod(0o755)
    job = project.add_job("external", fn_exe=str(program))

    number = submitted(project, job)

    wait_for_end(job, "FAILURE", 60)
    assert accounted(number)["exit_status"] == "1"
    assert not in_queue(number)
    assert (job / "run.out").read_text().count("runs") == 1
    assert project.record(job)["run"]["exit_status"] == status


def test_what_can_never_run_is_refused(on_gridengine: MakeGridEngine) -> None:
    project = on_gridengine()
    change_gridengine(project, submit_command=["qsub", "-terse", "-l", "gpu=77"])
    job = mask_job(project)
    mark_running(project, job)

    assert start_hook(project, job).wait(60) == 1

    assert "Unable to run job: error: no suitable queues" in error(job)
    assert (job / "RELION_JOB_EXIT_FAILURE").exists()


def test_the_queue_is_asked_for_the_token_after_an_unclear_answer(
    on_gridengine: MakeGridEngine,
) -> None:
    project = on_gridengine()
    wrapper = project.folder.parent / "wrapper"
    lies = 'echo "error: commlib error: got select error (Connection refused)" >&2'
    real = f'{shutil.which("qsub")} "$@" >&2'
    wrapper.write_text(f"#!/bin/bash\necho x >>'{wrapper}.calls'\n{real}; {lies}; exit 1\n")
    wrapper.chmod(0o755)
    change_gridengine(project, submit_command=[str(wrapper), "-terse"])
    job = mask_job(project)
    mark_running(project, job)

    assert start_hook(project, job).wait(60) == 0

    wait_for_end(job, "SUCCESS", 60)
    record = project.record(job)
    assert Path(f"{wrapper}.calls").read_text() == "x\n"
    assert record["job_id"] == accounted(record["job_id"])["jobnumber"]
    assert record["attempts"][-1] == f"the queue has the job, as job {record['job_id']}"


def test_a_waiting_job_is_shown_and_cancelled(on_gridengine: MakeGridEngine) -> None:
    project = on_gridengine()
    change_gridengine(project, submit_command=["qsub", "-terse", "-h"])
    job = mask_job(project)
    number = submitted(project, job)

    assert re.search(rf"{job.name} .* hqw +{number} ", dispatch(project, "status"))
    dispatch(project, "cancel", f"MaskCreate/{job.name}/")

    assert (job / "RELION_JOB_EXIT_ABORTED").exists()
    assert not in_queue(number)


def test_a_running_job_is_shown_with_its_node(on_gridengine: MakeGridEngine) -> None:
    project = on_gridengine()
    ready = project.folder / "ready"
    job = sleeping_job(project, ready)
    number = submitted(project, job)
    wait_for(ready.exists, 60, "the program's start")

    shown = dispatch(project, "status")

    # t: the node has not said yet that it has the job.
    assert re.search(rf"{job.name} +Running +[rt] +{number} +{os.uname().nodename} ", shown)
    dispatch(project, "cancel", f"External/{job.name}/")
    assert (job / "RELION_JOB_EXIT_ABORTED").exists()


def test_a_job_that_is_suspended_goes_on(on_gridengine: MakeGridEngine) -> None:
    """Without -notify: with it, USR1 comes before, and ends what runs in a container."""
    project = on_gridengine()
    change_gridengine(project, names={"memory": "ram", "notify": ""})
    ready = project.folder / "ready"
    program = project.folder / "program"
    program.write_text(
        f"#!/bin/bash\n: >'{ready}'\nuntil [ -e '{project.folder}/end' ]; do sleep 0.1; done\n"
    )
    program.chmod(0o755)
    job = project.add_job("external", fn_exe=str(program))
    number = submitted(project, job)
    wait_for(ready.exists, 60, "the program's start")

    subprocess.run(["qmod", "-sj", str(number)], check=True)
    wait_for(lambda: queue_says(number) == "s", 30, "the pause")
    subprocess.run(["qmod", "-usj", str(number)], check=True)
    (project.folder / "end").touch()

    wait_for_end(job, "SUCCESS", 60)


def test_the_watcher_waits_for_a_job_that_is_still_there(on_gridengine: MakeGridEngine) -> None:
    """An id that the master does not know is dropped from -hold_jid without a word."""
    project = on_gridengine()
    change_gridengine(
        project, watcher={"submit_command": ["qsub", "-terse", "-hold_jid", "9999999"]}
    )
    ready = project.folder / "ready"
    job = sleeping_job(project, ready)
    number = submitted(project, job)
    wait_for(ready.exists, 60, "the program's start")
    watcher = project.record(job)["watcher"]["job_id"]
    wait_for(lambda: "usage" in asked(watcher), 30, "the watcher's start")

    assert not list(job.glob("RELION_JOB_EXIT_*"))
    assert in_queue(watcher)
    subprocess.run(["qdel", str(number)], check=True)
    wait_for_end(job, "FAILURE", 60)


def test_check_tries_the_jobs_of_the_site(on_gridengine: MakeGridEngine) -> None:
    project = on_gridengine()

    assert "Everything is in order." in project.relion_dispatch("check").stdout

    change_site(project, job_parameters={"submit": {"partition": "gpus.q"}})
    said = project.relion_dispatch("check").stdout
    assert 'the scheduler "gridengine" has no partition "gpus.q"; did you mean "gpu.q"?' in said
    assert "Its partitions are" in said


def test_the_id_of_a_job_is_known(on_gridengine: MakeGridEngine) -> None:
    project = on_gridengine()
    change_gridengine(project, submit_command=["qsub", "-terse", "-h"])
    job = mask_job(project)
    mark_running(project, job)
    assert start_hook(project, job).wait(60) == 0
    token = project.record(job)["token"]

    assert f"relion-dispatch={token}" in asked(job_id(project, job))
    dispatch(project, "cancel", f"MaskCreate/{job.name}/")
