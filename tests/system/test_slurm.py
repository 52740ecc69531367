"""RELION's own pipeliner submits real jobs through the hook to a two-node Slurm."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ..waiting import wait_for, wait_for_end
from .hook_calls import submit_directly
from .jobs import REFINE
from .project import MakeProject, Project


def refine(project: Project, **options: object) -> Path:
    job = project.add_job("refine3d", **{**REFINE, **options})
    project.run_job(job)
    project.assert_succeeded(job)
    return job


@pytest.mark.parametrize("major", ["3", "5"])
def test_mask_create_runs_as_one_process(major: str, make_project: MakeProject) -> None:
    project = make_project(major)
    job = project.add_job("maskcreate", fn_in="reference.mrc", inimask_threshold=0.2)

    project.run_job(job)

    project.assert_succeeded(job)
    assert (job / "mask.mrc").stat().st_size > 0
    record = project.record(job)
    assert (record["nproc"], record["uses_gpu"]) == (1, False)
    assert "mpirun" not in record["commands"][0]["prefix"]


@pytest.mark.parametrize("major", ["3", "5"])
def test_class2d_runs_as_ranks_on_gpus(major: str, make_project: MakeProject) -> None:
    project = make_project(major, class2d={"nproc": 3})
    version = {"nr_iter": 2} if major == "3" else {"nr_iter_em": 2, "do_em": "Yes", "do_grad": "No"}
    job = project.add_job(
        "class2d",
        fn_img="particles.star",
        nr_classes=2,
        **version,
        do_ctf_correction="No",
        particle_diameter=110,
        psi_sampling=30,
        nr_mpi=5,
        use_gpu="Yes",
        gpu_ids="0:1",
    )

    project.run_job(job)

    project.assert_succeeded(job)
    assert (job / "run_it002_classes.mrcs").stat().st_size > 0
    record = project.record(job)
    assert (record["nproc"], record["ngpu"], record["scheduler"]) == (3, 2, "slurm")
    assert record["gpu_fit"]["box_size"] == 32


def test_refine3d_of_both_relion_versions_in_projects_pinned_to_them(
    make_project: MakeProject, versions: dict[str, str]
) -> None:
    for major, version in versions.items():
        project = make_project(major, name=f"project{major}")
        job = refine(project)

        assert (job / "run_it002_half1_class001.mrc").stat().st_size > 0
        record = project.record(job)
        assert record["image"]["version"] == version
        assert (record["nproc"], record["nproc"] % 2) == (3, 1)
        printed = re.search(r"RELION version:\s*([0-9.]+)", (job / "run.out").read_text())
        assert printed, (job / "run.out").read_text()[:2000]
        assert printed[1].startswith(version.rpartition(".")[0])


def test_slurm_gave_what_was_asked_for(make_project: MakeProject) -> None:
    project = make_project("5")
    job = refine(project)

    def shown() -> str:
        show = ["scontrol", "show", "job", project.record(job)["job_id"]]
        return subprocess.run(show, capture_output=True, text=True).stdout

    wait_for(lambda: "JobState=COMPLETED" in shown(), 30, "the job's end in Slurm")
    assert "Partition=gpu" in shown()
    assert re.search(r"NumTasks=3\b", shown())
    assert re.search(r"gres[:/]gpu[:=]2", shown())
    assert re.search(r"Requeue=0", shown())


def test_initial_model_runs_its_four_lines(make_project: MakeProject) -> None:
    project = make_project("5", initialmodel={"ngpu": 2, "nthread": 2, "mem": "2G"})
    job = project.add_job(
        "initialmodel",
        fn_img="particles.star",
        nr_iter=4,
        nr_classes=1,
        sym_name="C1",
        do_run_C1="Yes",
        do_ctf_correction="No",
        particle_diameter=110,
        nr_threads=2,
        use_gpu="Yes",
    )

    project.run_job(job)

    project.assert_succeeded(job)
    assert (job / "initial_model.mrc").stat().st_size > 0
    record = project.record(job)
    assert [command["kind"] for command in record["commands"]] == [
        "relion",
        "shell",
        "relion",
        "shell",
    ]
    assert record["uses_mpi"] is False


def test_one_refinement_over_two_nodes(make_project: MakeProject) -> None:
    # Open MPI 6, in the 5.1.0 image, finds no route between two nodes that share an address.
    project = make_project("3", refine={"nodes": 2, "ngpu": 1})

    job = refine(project)

    record = project.record(job)
    assert record["nodes"] == 2
    assert record["commands"][0]["prefix"][:2] == ["srun", "--mpi=pmix"]
    output = (job / "run.out").read_text()
    assert "Number of MPI processes             = 3" in output
    assert {"gpu1", "gpu2"} <= set(re.findall(r"gpu[12]", output))


@pytest.mark.parametrize("major", ["3", "5"])
def test_a_refused_job_is_failed_in_relions_pipeline(major: str, make_project: MakeProject) -> None:
    project = make_project(major)
    (project.folder / "empty.star").touch()
    job = project.add_job("refine3d", **{**REFINE, "fn_img": "empty.star"})

    project.run_job(job)

    assert project.status(job) == "Failed"
    assert "empty.star" in (job / "run.err").read_text()


def test_a_project_in_a_folder_with_an_unusual_name(make_project: MakeProject) -> None:
    project = make_project("5", name="my project; $(touch canary), 'ünïcödé'")
    job = project.add_job("maskcreate", fn_in="reference.mrc", inimask_threshold=0.2)

    project.run_job(job)

    project.assert_succeeded(job)
    assert not list(project.folder.parent.rglob("canary"))


def test_relion_is_not_on_the_host() -> None:
    assert shutil.which("relion_refine") is None
    assert os.getuid() != 0


def test_a_stale_image_on_the_second_node_stops_the_job(
    make_project: MakeProject, images: dict[str, Path], tmp_path: Path
) -> None:
    # /tmp is another folder on each node of the test cluster, and another one here.
    project = make_project("3", refine={"nodes": 2, "ngpu": 1})
    cluster = Path(os.environ["SLURM_CONF"]).parent
    seen = Path("/tmp", f"relion-images-{os.getpid()}")
    here = {"": "3", f"{cluster}/nodes/gpu1": "3", f"{cluster}/nodes/gpu2": "5"}
    folders = [Path(f"{root}{seen}") for root in here]
    catalogue = Path(project.environment["RELION_DISPATCH_SITE"], "images.json")
    catalogue.write_text(catalogue.read_text().replace(str(images["3"]), f"{seen}/relion.sif"))
    try:
        for folder, major in zip(folders, here.values(), strict=True):
            folder.mkdir(parents=True)
            (folder / "relion.sif").symlink_to(images[major])
        job = project.add_job("refine3d", **REFINE)
        submit_directly(project, job)

        wait_for_end(job, "FAILURE", 60)
    finally:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
    said = (job / "run.err").read_text()
    assert f"The image {seen}/relion.sif on gpu2 is not the file that was chosen" in said
    assert "on gpu1" not in said
    assert "RELION version" not in (job / "run.out").read_text(), "nothing was started"
