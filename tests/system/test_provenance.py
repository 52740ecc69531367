"""Which container made a map, and making that map again, bit for bit."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ..digest import sha256
from ..waiting import wait_for_end
from .jobs import REFINE
from .project import MakeProject, Project

CLASS2D: dict[str, Any] = {
    "fn_img": "particles.star",
    "nr_classes": 2,
    "do_ctf_correction": "No",
    "particle_diameter": 110,
    "psi_sampling": 15,
    "nr_mpi": 1,
    "nr_threads": 1,
    "use_gpu": "No",
}
# How RELION 5.1.0 centres classes depends on where its arrays lie in memory (docs/provenance.md).
ITERATIONS = {
    "3": {"nr_iter": 2},
    "5": {"do_em": "Yes", "do_grad": "No", "nr_iter_em": 2, "do_center": "No"},
}
ONE_PROCESS = {"class2d": {"nproc": 1, "nthread": 1, "ngpu": 0}}


def relion_dispatch(
    project: Project, *arguments: str | Path, **changes: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [project.command, *arguments],
        cwd=project.folder,
        env={**project.environment, **changes},
        capture_output=True,
        text=True,
    )


def classify(project: Project, **options: object) -> Path:
    job = project.add_job("class2d", **{**CLASS2D, **ITERATIONS[project.major], **options})
    project.run_job(job)
    project.assert_succeeded(job)
    return job


def reproduced(
    project: Project,
    job: Path,
    *,
    seed_off_by: int = 0,
    name: str = "again",
    output: Path | None = None,
) -> tuple[Path, str]:
    """Run the job once more by its script, away from the dispatcher and from another folder."""
    script = project.folder.parent / f"{name}.sh"
    output = output or project.folder / "Reproduced" / name
    named = job.relative_to(project.folder)
    written = relion_dispatch(project, "reproduce", named, "--write", script, "--output", output)
    assert written.returncode == 0, written.stderr
    assert subprocess.run(["bash", "-n", script]).returncode == 0
    if seed_off_by:
        text, times = re.subn(
            r"--random_seed (\d+)",
            lambda found: f"--random_seed {int(found[1]) + seed_off_by}",
            script.read_text(),
        )
        assert times
        script.write_text(text)
    apptainer = Path(os.environ["RELION_TEST_APPTAINER"]).parent
    done = subprocess.run(
        ["bash", script],
        cwd="/",
        env={"PATH": f"{apptainer}:/usr/bin:/bin", "HOME": os.environ["HOME"]},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return output, done.stdout


def maps(folder: Path) -> dict[str, str]:
    """The digest of each map, but for the labels in its header, which hold the time of writing."""
    found = {}
    for path in sorted(folder.glob("*.mrc*")):
        raw = path.read_bytes()
        extended = int.from_bytes(raw[92:96], "little")
        assert extended == 0
        found[path.name] = hashlib.sha256(raw[:224] + raw[1024:]).hexdigest()
    return found


def snapshot(project: Project, job: Path) -> dict[str, tuple[int, int]]:
    """Size and time of the pipeline's file, and of all that lies in the job's folder."""
    files = [project.folder / "default_pipeline.star", *job.rglob("*")]
    return {str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in files}


@pytest.mark.parametrize("form", ["python"])
@pytest.mark.parametrize(
    ("major", "other_args"),
    [("5", '"--random_seed 1"'), ("5", '""'), ("3", '""')],
    ids=["RELION 5, fixed seed", "RELION 5, seed from the clock", "RELION 3.1, from the clock"],
)
def test_classes_are_the_same_bit_for_bit_when_run_again(
    make_project: MakeProject, major: str, other_args: str
) -> None:
    project = make_project(major, scheduler="local", **ONE_PROCESS)
    job = classify(project, other_args=other_args)
    before = snapshot(project, job)

    output, said = reproduced(project, job)

    first = maps(job)
    assert "run_it002_classes.mrcs" in first
    assert maps(output) == first
    assert f"{len(first)} are the same bit for bit, and 0 differ" in said
    assert snapshot(project, job) == before
    # Another seed gives other classes: the comparison can fail.
    other, said = reproduced(project, job, seed_off_by=1, name="other")
    assert maps(other)["run_it002_classes.mrcs"] != first["run_it002_classes.mrcs"]
    assert "differs from the first run's" in said


@pytest.mark.parametrize("form", ["python"])
def test_half_maps_of_three_ranks_are_the_same_bit_for_bit(make_project: MakeProject) -> None:
    project = make_project("5", scheduler="local", refine={"ngpu": 0, "nproc": 3, "nthread": 1})
    job = project.add_job("refine3d", **REFINE)
    project.run_job(job)
    project.assert_succeeded(job)

    output, _ = reproduced(project, job)

    first = maps(job)
    assert {"run_it002_half1_class001.mrc", "run_it002_half2_class001.mrc"} <= set(first)
    assert maps(output) == first


@pytest.mark.parametrize("form", ["python"])
def test_a_continued_job_goes_on_from_the_same_optimiser_file(make_project: MakeProject) -> None:
    project = make_project("5", scheduler="local", **ONE_PROCESS)
    job = classify(project, other_args='"--random_seed 1"')
    # What RELION's window does for "Continue!": the same job, from its last iteration.
    (job / "run_submit.script").write_text(
        re.sub(
            r"`which relion_refine`.*",
            "`which relion_refine` --continue Class2D/job001/run_it002_optimiser.star "
            "--o Class2D/job001/run_ct2 --iter 3 --j 1 --pipeline_control Class2D/job001/",
            (job / "run_submit.script").read_text(),
        )
    )
    (job / "RELION_JOB_EXIT_SUCCESS").unlink()
    done = relion_dispatch(project, "submit", "Class2D/job001/run_submit.script")
    assert done.returncode == 0, done.stderr
    wait_for_end(job, "SUCCESS", 60)

    output, _ = reproduced(project, job)

    assert "run_ct2_it003_classes.mrcs" in maps(output)
    assert maps(output).items() <= maps(job).items()
    first, _ = reproduced(project, job / "dispatch.json.1", name="first")
    assert "run_it002_classes.mrcs" in maps(first)
    assert maps(first).items() <= maps(job).items()


def test_a_project_that_has_moved_is_run_again_into_a_folder_outside(
    make_project: MakeProject, tmp_path: Path
) -> None:
    project = make_project("5", scheduler="local")
    # A path in a parameter that is only right where the project was.
    job = project.add_job("maskcreate", fn_in=project.folder / "reference.mrc", nr_threads=1)
    project.run_job(job)
    project.assert_succeeded(job)
    now = tmp_path / "archive" / "2026"
    now.parent.mkdir()
    project.folder.rename(now)
    project.folder = now

    output, _ = reproduced(project, now / "MaskCreate" / job.name, output=tmp_path / "elsewhere")

    assert maps(output) == maps(now / "MaskCreate" / job.name) != {}


def test_the_record_tells_which_container_made_the_maps(
    make_project: MakeProject, images: dict[str, Path], versions: dict[str, str]
) -> None:
    project = make_project("5", scheduler="local")
    job = project.add_job("maskcreate", fn_in="reference.mrc")
    project.run_job(job)
    project.assert_succeeded(job)

    image = json.loads((job / "dispatch.json").read_text())["image"]

    told = subprocess.run(["sha256sum", image["path"]], capture_output=True, text=True, check=True)
    assert image["sha256"] == told.stdout.split()[0]
    assert (image["name"], image["version"]) == ("relion", versions["5"])
    header = subprocess.run(
        [os.environ["RELION_TEST_APPTAINER"], "sif", "header", images["5"]],
        capture_output=True,
        text=True,
        check=True,
    )
    assert image["sif_id"] in re.sub("-", "", header.stdout).lower()


def test_other_particles_or_another_image_are_refused(
    make_project: MakeProject, images: dict[str, Path], tmp_path: Path
) -> None:
    project = make_project("5", scheduler="local", **ONE_PROCESS)
    site = Path(project.environment["RELION_DISPATCH_SITE"])
    link = tmp_path / "relion.sif"
    link.symlink_to(images["5"])
    catalogue = (site / "images.json").read_text()
    (site / "images.json").write_text(catalogue.replace(str(images["5"]), str(link)))
    job = classify(project)
    digests = project.record(job)["image"]["sha256"], sha256(images["3"])
    script = tmp_path / "again.sh"
    assert relion_dispatch(project, "reproduce", job, "--write", script).returncode == 0

    # The same particles, written anew: the digest says that nothing has changed.
    particles = project.folder / "particles.star"
    shutil.copy(particles, tmp_path)
    os.utime(particles)
    assert relion_dispatch(project, "reproduce", job).returncode == 0
    particles.write_text(particles.read_text().replace("000001@", "000002@"))
    refused = relion_dispatch(project, "reproduce", job)
    assert refused.returncode == 1
    assert "particles.star" in refused.stderr
    assert "has changed" in refused.stderr
    assert run_script(script).returncode == 1
    assert "particles.star has changed" in run_script(script).stderr
    shutil.copy(tmp_path / "particles.star", particles)
    # Of images that the particles name only the time tells.
    stack = project.folder / "particles.mrcs"
    os.utime(stack)
    refused = relion_dispatch(project, "reproduce", job)
    assert "particles.mrcs of Class2D/job001 cannot be shown to be the same" in refused.stderr
    accepted = relion_dispatch(project, "reproduce", job, "--accept-changed", "particles.mrcs")
    assert accepted.returncode == 0
    assert "accepted" in accepted.stdout
    os.utime(stack, (1, 1))

    link.unlink()
    link.symlink_to(images["3"])
    # The catalogue holds the digest of no file, so that its files must be looked at.
    (site / "images.json").write_text(json.dumps({}))
    for done in (relion_dispatch(project, "reproduce", job), run_script(script)):
        assert done.returncode == 1
        assert all(digest in done.stderr for digest in digests)
    # Where the catalogue has the file elsewhere, it is taken from there.
    (site / "images.json").write_text(catalogue)
    elsewhere = relion_dispatch(project, "reproduce", job)
    assert elsewhere.returncode == 0, elsewhere.stderr
    assert str(images["5"]) in elsewhere.stdout


def run_script(script: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", script], capture_output=True, text=True)
