"""Jobs on this machine alone, and the session that RELION runs in."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dispatcher.config.gpu_vendors import VENDORS

from ..waiting import processes_of, wait_for, wait_for_end
from .hook_calls import submit_directly
from .jobs import REFINE, wait_for_iterations
from .project import ROOT, MakeProject, Project


def test_refine3d_runs_on_this_machine(make_project: MakeProject) -> None:
    project = make_project("5", scheduler="local", refine={"ngpu": 0})
    job = project.add_job("refine3d", **REFINE)

    project.run_job(job)

    project.assert_succeeded(job)
    record = project.record(job)
    assert (record["scheduler"], record["uses_gpu"], record["nproc"]) == ("local", False, 3)
    assert "--gpu" not in record["commands"][0]["argv"]
    assert (job / "run.out").read_text().startswith("relion-dispatch ")


@pytest.mark.parametrize("build", ["cpu", "cuda"])
def test_a_machine_without_gpus_runs_a_job_type_on_gpus(
    build: str, make_project: MakeProject
) -> None:
    """The site describes nothing: the shipped type, on the cores and memory of this machine."""
    if VENDORS["nvidia"].device.exists():
        pytest.skip("this machine has an NVIDIA driver")
    project = make_project("3", scheduler="local")
    site = Path(project.environment["RELION_DISPATCH_SITE"])
    settings = json.loads((site / "site.json").read_text())
    del settings["partitions"], settings["job_parameters"]
    (site / "site.json").write_text(json.dumps(settings))
    if build == "cuda":  # the only build: RELION with CUDA, without its driver
        images = json.loads((site / "images.json").read_text())
        cuda = {"variant": "cuda", "path": os.environ["RELION_TEST_IMAGE_CUDA"], "gpu": "nvidia"}
        for version in images["relion"]["versions"]:
            if version.startswith("3."):
                images["relion"]["versions"][version] = [cuda]
        (site / "images.json").write_text(json.dumps(images))
    job = project.add_job("refine3d", **REFINE)

    project.run_job(job)

    project.assert_succeeded(job)
    record = project.record(job)
    cores = len(os.sched_getaffinity(0))
    assert (record["image"]["variant"], record["uses_gpu"]) == (build, False)
    assert record["nproc"] * record["nthread"] <= max(cores, 3)
    assert "Warning: This machine shows no GPU" in (job / "run.out").read_text()


def test_the_pipeline_knows_when_a_program_fails(make_project: MakeProject) -> None:
    project = make_project("5", scheduler="local")
    job = project.add_job("maskcreate", fn_in="particles.star")

    project.run_job(job)

    assert project.status(job) == "Failed"
    assert not (job / "RELION_JOB_EXIT_SUCCESS").exists()


def test_a_stopped_local_job_ends_in_failure_and_leaves_no_process(
    make_project: MakeProject,
) -> None:
    project = make_project("5", scheduler="local", refine={"ngpu": 0})
    job = project.add_job("refine3d", **{**REFINE, "other_args": '"--auto_iter_max 200"'})
    done = submit_directly(project, job)
    assert done.returncode == 0, done.stderr
    group = int(project.record(job)["job_id"])
    wait_for_iterations(job)

    os.killpg(group, signal.SIGTERM)

    wait_for_end(job, "FAILURE", 30)
    assert not (job / "RELION_JOB_EXIT_SUCCESS").exists()
    assert "stopped from outside" in (job / "run.err").read_text()
    wait_for(lambda: not processes_of(group), 20, "the end of all its processes")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_rank_outlives_an_mpirun_that_is_killed(
    make_project: MakeProject, number: signal.Signals
) -> None:
    """As on a busy machine, where mpirun is killed before it has ended its ranks."""
    project = make_project("5", scheduler="local", refine={"ngpu": 0})
    job = project.add_job("refine3d", **{**REFINE, "other_args": '"--auto_iter_max 200"'})
    done = submit_directly(project, job)
    assert done.returncode == 0, done.stderr
    session = int(project.record(job)["job_id"])
    wait_for_iterations(job)
    (mpirun,) = processes_of(session, "prterun", "mpirun")
    os.kill(mpirun, signal.SIGSTOP)

    if number == signal.SIGKILL:
        os.kill(mpirun, number)  # as the kernel does when memory ends
    else:
        os.killpg(session, number)

    wait_for_end(job, "FAILURE", 60)
    wait_for(lambda: not processes_of(session), 30, "the end of all its processes")


def test_two_projects_at_once_do_not_mix(make_project: MakeProject) -> None:
    projects = [
        make_project("5", scheduler="local", name=f"project{number}", submit={"mem": f"{number}G"})
        for number in (1, 2)
    ]
    jobs = [project.add_job("maskcreate", fn_in="reference.mrc") for project in projects]
    running = [
        subprocess.Popen(
            [
                project.command,
                "relion",
                "relion_pipeliner",
                "--RunJobs",
                "MaskCreate/job001/",
                "--schedule",
                "both",
                "--sec_wait_after",
                "1",
            ],
            cwd=project.folder,
            env=project.environment,
            stdout=subprocess.DEVNULL,
        )
        for project in projects
    ]
    for process in running:
        assert process.wait(120) == 0

    for number, (project, job) in enumerate(zip(projects, jobs, strict=True), 1):
        project.assert_succeeded(job)
        assert project.record(job)["project"] == str(project.folder)
        assert project.record(job)["job_parameters"]["mem"] == f"{number}G"


def launcher_of(project: Project) -> int:
    """The process that answers RELION's queue command: in its appliance, not the shell outside."""
    runtime = Path(project.environment["RELION_DISPATCH_RUNTIME"])
    (file,) = runtime.glob("session-*/launcher")
    return int(file.read_text().split()[0])


def test_a_dead_launcher_is_noticed_within_5_s(make_project: MakeProject, tmp_path: Path) -> None:
    project = make_project("5", scheduler="local")
    job = project.add_job("maskcreate", fn_in="reference.mrc")
    # A submit command that hangs gives the time to kill the launcher while RELION waits for it.
    site = Path(project.environment["RELION_DISPATCH_SITE"]) / "site.json"
    content = json.loads(site.read_text())
    hang = site.with_name("hang")
    tells = f"echo $$ > '{hang}.new' && mv '{hang}.new' '{hang}.pid'"
    hang.write_text(f"#!/bin/sh\n{tells}\nexec sleep 60\n")
    hang.chmod(0o755)
    hanging = {"submit_command": [str(hang)], "directives": "local"}
    site.write_text(
        json.dumps(content | {"scheduler": "hanging", "schedulers": {"hanging": hanging}})
    )
    launcher = subprocess.Popen(
        [
            project.command,
            "relion",
            "relion_pipeliner",
            "--RunJobs",
            "MaskCreate/job001/",
            "--schedule",
            "dead",
            "--sec_wait_after",
            "1",
        ],
        cwd=project.folder,
        env=project.environment,
        start_new_session=True,
    )
    try:
        wait_for(Path(f"{hang}.pid").exists, 60, "the submission")
        os.kill(launcher_of(project), signal.SIGKILL)
        killed = time.time()

        failed = job / "RELION_JOB_EXIT_FAILURE"
        wait_for(failed.exists, 10, "the client's notice")

        assert failed.stat().st_mtime - killed < 5
        assert "relion-dispatch" in (job / "run.err").read_text()
    finally:
        subprocess.run(["pkill", "-KILL", "-f", str(project.folder)])
        subprocess.run(["kill", "-KILL", Path(f"{hang}.pid").read_text().strip()])
        launcher.wait(10)


def test_reading_what_these_relions_write_here(
    make_project: MakeProject, versions: dict[str, str]
) -> None:
    """Every word that bash passes from RELION's own line is in the plan, in its order."""
    for major in versions:
        project = make_project(major, scheduler="local", name=f"project{major}")
        jobs = [
            project.add_job("maskcreate", fn_in="reference.mrc"),
            project.add_job(
                "class2d",
                fn_img="particles.star",
                nr_mpi=3,
                use_gpu="Yes",
                do_em="Yes",
                do_grad="No",
            ),
            project.add_job("refine3d", **{**REFINE, "nr_mpi": 3, "gpu_ids": "0:1"}),
        ]
        for job in jobs:
            script = job / "run_submit.script"
            planned = json.loads(
                subprocess.run(
                    [project.command, "plan", "--json", script],
                    env=project.environment,
                    capture_output=True,
                    check=True,
                ).stdout
            )
            (line,) = re.findall(r"^`which \S+` (.*)$", script.read_text(), re.MULTILINE)
            passed = subprocess.run(
                ["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, text=True
            ).stdout.split("\0")[:-1]
            removed = {"--gpu", "--j", "--free_gpu_memory"}  # which the plan decides
            assert planned["commands"][0]["kind"] == "relion"
            assert without(planned["commands"][0]["argv"][1:], removed) == without(passed, removed)


def without(words: list[str], options: set[str]) -> list[str]:
    """The words less these options and their values."""
    return [
        word
        for at, word in enumerate(words)
        if word not in options and (at == 0 or words[at - 1] not in options)
    ]


@pytest.mark.parametrize("form", ["python"])
def test_the_installed_wheel_is_complete(tmp_path: Path, make_project: MakeProject) -> None:
    subprocess.run(
        [sys.executable, "-m", "venv", "--system-site-packages", tmp_path / "venv"], check=True
    )
    python = tmp_path / "venv" / "bin" / "python"
    own = Path(sys.executable).parents[1] / "lib"
    (site_packages,) = own.glob("python3*/site-packages")
    target = subprocess.run(
        [python, "-c", "import site; print(site.getsitepackages()[0])"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    (Path(target) / "dependencies.pth").write_text(f"{site_packages}\n")
    pip = [python, "-m", "pip", "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--no-build-isolation", ROOT], check=True, capture_output=True)
    project = make_project("5", scheduler="local")
    job = project.add_job("maskcreate", fn_in="reference.mrc")
    environment = {**project.environment, "RELION_DISPATCH_PYTHON": ""}
    installed = tmp_path / "venv" / "bin"

    checked = subprocess.run(
        [installed / "relion-dispatch", "check"], env=environment, capture_output=True, text=True
    )
    assert checked.stdout.endswith("\nEverything is in order.\n"), checked.stdout + checked.stderr
    done = subprocess.run(
        [installed / "relion_dispatch.py", "MaskCreate/job001/run_submit.script"],
        cwd=project.folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    wait_for_end(job, "SUCCESS", 60)
