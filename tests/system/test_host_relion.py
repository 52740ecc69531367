"""RELION that is not in an image: a module leads to it, and its own pipeliner calls the hook.

`tests/data/classic-site` has files of our own in the FMI format: a configuration without images,
and five templates that load the module and bring their launcher.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import mrcfile
import numpy
import pytest

from ..waiting import wait_for
from .hook_calls import PYTHON
from .host_project import HostProject
from .jobs import REFINE
from .project import ROOT, MakeProject

CLASSIC = ROOT / "tests" / "data" / "classic-site"

pytestmark = PYTHON


@pytest.fixture
def host_project(make_project: MakeProject) -> HostProject:
    """A project of RELION 3.1 on a site of our own files in the FMI format, and no site.json."""
    project = HostProject(**vars(make_project("3")))
    site = project.site
    shutil.rmtree(site)
    shutil.copytree(CLASSIC, site)
    return project


def only_the_configuration(project: HostProject, **settings: Any) -> None:
    """Take the site's templates away, so that the shipped ones serve, and write a site.json."""
    shutil.rmtree(project.site / "job_template")
    (project.site / "site.json").write_text(json.dumps({"scheduler": "slurm", **settings}))


def ranks(job: Path) -> list[str]:
    """The number of ranks as RELION says it, once for each group of ranks that ran."""
    return re.findall(r"Number of MPI processes +=\s*(\d+)", (job / "run.out").read_text())


def add_micrographs(project: HostProject) -> None:
    """Four micrographs with dark blobs in noise, of 4 Å pixels."""
    noise = numpy.random.default_rng(1)
    rows, columns = numpy.mgrid[:256, :256]
    for number in range(4):
        image = noise.normal(0, 1, (256, 256))
        for row, column in noise.integers(30, 226, (12, 2)):
            image -= 3 * numpy.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 128)
        with mrcfile.new(project.folder / f"{number}.mrc") as file:
            file.set_data(image.astype(numpy.float32))
            file.voxel_size = 4.0
    (project.folder / "micrographs.star").write_text(
        "\ndata_optics\n\nloop_\n_rlnOpticsGroupName\n_rlnOpticsGroup\n_rlnMicrographPixelSize\n"
        "_rlnVoltage\n_rlnSphericalAberration\n_rlnAmplitudeContrast\none 1 4.0 300 2.7 0.1\n\n"
        "data_micrographs\n\nloop_\n_rlnMicrographName\n_rlnOpticsGroup\n"
        + "".join(f"{number}.mrc 1\n" for number in range(4))
    )


def test_a_refinement_runs_with_the_ranks_of_its_template(host_project: HostProject) -> None:
    job = host_project.add_job("refine3d", **REFINE)

    host_project.let_pipeliner_run(job)

    host_project.assert_succeeded(job)
    assert ranks(job) == ["5"]
    wait_for(lambda: "Ended with status 0" in (job / "run.out").read_text(), 30, "the script's end")
    record = host_project.record(job)
    assert (record["image"], record["nproc"], record["commands"][0]["prefix"]) == (None, 5, [])


def test_a_picker_runs_with_all_its_ranks(host_project: HostProject) -> None:
    add_micrographs(host_project)
    job = host_project.add_job(
        "autopick", fn_input_autopick="micrographs.star", do_log="Yes", log_diam_min=60,
        log_diam_max=100,
    )  # fmt: skip

    host_project.let_pipeliner_run(job)

    host_project.assert_succeeded(job)
    assert ranks(job) == ["4"]
    assert len(list(job.glob("*_autopick.star"))) >= 4


def test_a_single_process_runs_without_a_launcher(host_project: HostProject) -> None:
    job = host_project.add_job("maskcreate", fn_in="reference.mrc", inimask_threshold=0.2)

    host_project.let_pipeliner_run(job)

    host_project.assert_succeeded(job)
    assert "mpirun" not in (job / "run_submit.script.run").read_text()


def test_a_job_that_starts_at_once_runs_beside_the_queue(host_project: HostProject) -> None:
    (host_project.site / "site.json").write_text(json.dumps({"scheduler": "slurm"}))
    script = host_project.write_job(
        "JoinStar/job001",
        "`which relion_star_handler` --i particles.star --o JoinStar/job001/joined.star --combine"
        " --pipeline_control JoinStar/job001/",
    )

    host_project.submit(script)

    assert host_project.wait_for_end(script) == "SUCCESS"
    assert host_project.record(script.parent)["scheduler"] == "interactive"


@pytest.mark.parametrize(("nodes", "launcher"), [(1, "mpirun"), (2, "srun")])
def test_shipped_templates_start_the_ranks_on_the_host(
    nodes: int, launcher: str, host_project: HostProject
) -> None:
    types = {"gpu": {"nodes": nodes, "nproc": 5, "ngpu": 2, "nproc_slurm": 5}}
    only_the_configuration(host_project, job_parameters=types)
    job = host_project.add_job("refine3d", **REFINE)

    host_project.run_job(job)

    host_project.assert_succeeded(job)
    assert ranks(job) == ["5"]
    record = host_project.record(job)
    assert record["image"] is None
    assert record["commands"][0]["prefix"][0] == launcher


def test_one_line_of_site_json_takes_all_types_into_an_image(
    host_project: HostProject, images: dict[str, Path], versions: dict[str, str]
) -> None:
    builds = {versions["3"]: [{"variant": "cpu", "path": str(images["3"])}]}
    catalogue = {"relion": {"default": versions["3"], "versions": builds}}
    (host_project.site / "images.json").write_text(json.dumps(catalogue))
    program = {"program": os.environ["RELION_TEST_APPTAINER"]}
    only_the_configuration(host_project, image="relion", apptainer=program)
    job = host_project.add_job("maskcreate", fn_in="reference.mrc", inimask_threshold=0.2)

    host_project.run_job(job)

    host_project.assert_succeeded(job)
    assert host_project.record(job)["image"]["version"] == versions["3"]


def test_a_script_that_would_start_one_rank_of_several_is_refused(
    host_project: HostProject,
) -> None:
    template = host_project.site / "job_template" / "submit.sh.j2"
    text = template.read_text()
    template.write_text(text.replace("mpirun --oversubscribe -n {{ job.nproc }} ", ""))
    job = host_project.add_job("refine3d", **REFINE)

    host_project.run_job(job)

    assert host_project.status(job) == "Failed"
    assert "only one of the job's 5 ranks would run" in (job / "run.err").read_text()
    assert not (job / "run_submit.script.run").exists()
