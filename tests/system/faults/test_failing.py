"""Jobs that fail by themselves: bad input, ranks that do not fit, an image that is gone."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from ...waiting import wait_for
from ..beds import Bed
from ..hook_calls import change_site
from ..jobs import REFINE, mask_job
from ..project import MakeProject, Project
from .conftest import Watched
from .observation import exit_file


def ends_badly(project: Project, job: Path) -> float:
    """Let RELION's pipeliner run the job to its end; when the last of its programs began to."""
    project.run_job(job)
    wait_for(lambda: "run" in project.record(job), 20, "the end of the job script")
    record = project.record(job)
    assert record["run"]["ending"] == "FAILURE"
    assert (job / "run.err").read_text().endswith(f"relion-dispatch: {record['run']['reason']}\n")
    # What RELION wrote last is older than the exit file; the sentence is younger.
    written = [job / "run.out", *job.glob("run_it*"), *job.glob("*.mrc")]
    return max(file.stat().st_mtime for file in written if file.exists())


def test_a_missing_particle_stack(make_project: MakeProject, sees: Watched) -> None:
    project = make_project("5", scheduler="local", refine={"ngpu": 0})
    job = project.add_job("refine3d", **REFINE)
    (project.folder / "particles.mrcs").unlink()

    ended = ends_badly(project, job)

    says = "because a file that it needs is not there"
    sees("missing particle stack", project, job, since=ended, end="Failed", says=says)
    assert "RELION said: Cannot read file" in (job / "run.err").read_text()


# As RELION 3.1 wrote it, but for _rlnAmplitudeContrast, without which RELION 5 computes no CTF.
PARTICLES = """
# version 30001

data_optics

loop_
_rlnOpticsGroup #1
_rlnImagePixelSize #2
_rlnImageSize #3
_rlnImageDimensionality #4
_rlnVoltage #5
_rlnSphericalAberration #6
1 4.0 32 2 300 2.7

data_particles

loop_
_rlnImageName #1
_rlnOpticsGroup #2
_rlnDefocusU #3
_rlnDefocusV #4
_rlnDefocusAngle #5
_rlnMicrographName #6
"""


@pytest.mark.parametrize(
    ("major", "file", "says"),
    [
        (
            "5",
            "particles.mrcs",
            "no rlnAmplitudeContrast label was found in the CTF parameters",
        ),
        ("3", "gone.mrcs", "Cannot read file gone.mrcs It does not exist"),
    ],
)
def test_relions_own_error_is_quoted(
    major: str, file: str, says: str, make_project: MakeProject
) -> None:
    """Once, of all that three ranks write at the same time, with backtraces and MPI's own lines."""
    project = make_project(major, scheduler="local", refine={"ngpu": 0, "nproc": 3})
    rows = (f"{at:06}@{file} 1 10000 10000 0 micrograph{at % 2}\n" for at in range(1, 41))
    (project.folder / "particles.star").write_text(PARTICLES + "".join(rows))
    job = project.add_job("refine3d", **{**REFINE, "do_ctf_correction": "Yes"})

    ends_badly(project, job)

    text = (job / "run.err").read_text()
    assert text.endswith(f" RELION said: {says}.\n")
    assert text.count(says) > 1


def test_a_corrupt_map(make_project: MakeProject, sees: Watched) -> None:
    project = make_project("5", scheduler="local")
    job = project.add_job("maskcreate", fn_in="reference.mrc")
    (project.folder / "reference.mrc").write_bytes(b"\0" * 700)

    ended = ends_badly(project, job)

    says = "an image or map that it reads is damaged or empty"
    sees("corrupt map", project, job, since=ended, end="Failed", says=says)


@pytest.mark.parametrize(
    ("fault", "mpirun", "says"),
    [
        (
            "even ranks",
            'exec mpirun --bind-to none --oversubscribe -n 2 "${@:2}"',
            "RELION needs an odd number of ranks here, at least 3",
        ),
        (
            "even ranks",
            'exec mpirun --bind-to none --oversubscribe -n 4 "${@:2}"',
            "RELION needs an odd number of ranks here, at least 3",
        ),
        (
            "ranks as single processes",
            '"${@:2}" & "${@:2}" & wait $! && wait',
            "its ranks started as single processes that did not find each other",
        ),
    ],
    ids=["two ranks", "four ranks", "single processes"],
)
@pytest.mark.parametrize("major", ["3", "5"])
def test_ranks_that_relion_does_not_take(
    major: str, fault: str, mpirun: str, says: str, make_project: MakeProject, sees: Watched
) -> None:
    project = make_project(major, scheduler="local", refine={"ngpu": 0})
    change_site(project, mpi={"mpirun": ["bash", "-c", mpirun]})
    job = project.add_job("refine3d", **REFINE)

    ended = ends_badly(project, job)

    sees(fault, project, job, since=ended, end="Failed", says=says)


def test_a_command_in_the_middle_fails(bed: Bed, sees: Watched) -> None:
    """RELION's own last command would make RELION_JOB_EXIT_SUCCESS all the same."""
    project = bed.project(initialmodel={"ngpu": 2, "nthread": 2, "mem": "2G"})
    job = project.add_job(
        "initialmodel",
        fn_img="particles.star",
        nr_iter=4,
        nr_classes=1,
        sym_name="X9",  # only the third command looks at it
        do_run_C1="Yes",
        do_ctf_correction="No",
        particle_diameter=110,
        nr_threads=2,
        use_gpu="Yes",
    )
    commands = (job / "run_submit.script").read_text()
    assert commands.count("RELION_JOB_EXIT_SUCCESS") == 2

    ended = ends_badly(project, job)

    says = "relion_align_symmetry"
    fault = "failing command in the middle of four"
    sees(fault, project, job, since=ended, end="Failed", says=says)
    assert list(job.glob("run_it004*")), "the first command had succeeded"


@pytest.mark.parametrize("status", [99, 100])
def test_a_program_ends_with_a_status_that_has_a_meaning(
    status: int, bed: Bed, sees: Watched
) -> None:
    """Grid Engine runs a job again that ends with 99, and holds one that ends with 100."""
    project = bed.project()
    program = project.folder / "program"
    program.write_text(f"#!/bin/bash\ndate +%s\nexit {status}\n")
    program.chmod(0o755)
    job = project.add_job("external", fn_exe=str(program))
    number = bed.submitted(project, job)
    wait_for(lambda: exit_file(job), 60, "the end of the job")

    def beginnings() -> list[str]:
        return re.findall(r"^\d{10}$", (job / "run.out").read_text(), re.MULTILINE)

    began = int(beginnings()[0])
    fault = "a program ends with a status that means something to Grid Engine (99, 100)"
    says = f"ended with status {status}"
    sees(fault, project, job, since=began, end="Failed", says=says)
    assert not bed.in_queue(number)
    assert len(beginnings()) == 1


def test_an_image_that_is_removed_while_the_job_waits(
    bed: Bed, images: dict[str, Path], sees: Watched
) -> None:
    project = bed.project()
    image = project.folder.parent / "relion.sif"
    image.write_bytes(images["5"].read_bytes())
    catalogue = Path(project.environment["RELION_DISPATCH_SITE"]) / "images.json"
    content = json.loads(catalogue.read_text())
    for builds in content["relion"]["versions"].values():
        for build in builds:
            build["path"] = str(image) if build["path"] == str(images["5"]) else build["path"]
    catalogue.write_text(json.dumps(content))
    bed.hold(project)
    job = mask_job(project)
    number = bed.submitted(project, job)
    image.rename(image.with_suffix(".moved"))

    began = time.time()
    bed.release(number)

    fault = "image removed while the job waits"
    wait_for(lambda: exit_file(job), 30, "the end of the job")
    # RELION's pipeliner is in the image as well.
    image.with_suffix(".moved").rename(image)
    sees(fault, project, job, since=began, end="Failed", says=str(image))
