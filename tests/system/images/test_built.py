"""The images that containers/ builds: what they say of themselves, and a test that can fail."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import mrcfile
import numpy as np
import pytest

IMAGE_TEST = "/usr/local/libexec/relion-image-test"
APPTAINER = os.environ["RELION_TEST_APPTAINER"]
IMAGES = {
    name: os.environ[f"RELION_TEST_IMAGE_{variable}"]
    for name, variable in [("3.1 cpu", "3"), ("3.1 cuda", "CUDA"), ("5 cpu", "5")]
}


def run(
    image: str, *command: str, binds: tuple[str, ...] = (), folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command in an image, in `folder`."""
    mounts = [word for bind in binds for word in ("--bind", bind)]
    return subprocess.run(
        [APPTAINER, "--quiet", "exec", "--cleanenv", *mounts, image, *command],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )


def labels(image: str) -> dict[str, str]:
    printed = subprocess.run(
        [APPTAINER, "--quiet", "inspect", "--json", "--labels", image],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return dict(json.loads(printed)["data"]["attributes"]["labels"])


@pytest.mark.parametrize(
    ("name", "version", "gpu", "package"),
    [
        ("3.1 cpu", r"3\.1\.3", "none", "Debian bookworm, package relion 3.1.3"),
        ("3.1 cuda", r"3\.1\.3", "nvidia", "Debian bookworm, package relion-cuda 3.1.3"),
        ("5 cpu", r"[5-9]\.\d+\.\d+", "none", "Debian sid, package relion "),
    ],
)
def test_labels_are_what_relion_and_mpirun_say(
    name: str, version: str, gpu: str, package: str
) -> None:
    said = labels(IMAGES[name])
    relion = run(IMAGES[name], "relion_refine", "--version").stdout
    mpirun = run(IMAGES[name], "mpirun", "--version").stdout

    assert re.fullmatch(version, said["relion.version"])
    assert f"RELION version: {said['relion.version']} " in relion
    assert ("CUDA-ACC" in relion) == (gpu == "nvidia")
    assert (said["relion.gpu"], said["relion.gui"]) == (gpu, "no")
    assert said["relion.source"].startswith(package)
    number = said["relion.mpi"].removeprefix("Open MPI ")
    assert f"(Open MPI) {number}" in mpirun


def test_the_image_test_passes(tmp_path: Path) -> None:
    done = run(IMAGES["3.1 cuda"], "sh", IMAGE_TEST, "gpu=nvidia", folder=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "and so do two MPI ranks" in done.stdout
    assert not list(tmp_path.iterdir())


# The mpirun of another MPI than RELION's starts single processes.
ANOTHER_MPIRUN = '#!/bin/sh\nshift 5\n"$@" &\n"$@" &\nwait\n'


@pytest.mark.parametrize(
    ("program", "instead", "sentence"),
    [
        ("mpirun", "", "mpirun is missing"),
        ("which", "", "which is missing"),
        ("relion_mask_create", "", "relion_mask_create is missing"),
        ("relion_refine", "", "relion_refine --version names no version"),
        ("relion_import", "#!/bin/sh\nkill -SEGV $$\n", "relion_import does not start"),
        ("mpirun", ANOTHER_MPIRUN, "mpirun -n 2 does not make two ranks of RELION"),
    ],
)
def test_a_wrong_image_fails_its_test(
    tmp_path: Path, program: str, instead: str, sentence: str
) -> None:
    stand_in = Path("/dev/null")
    if instead:
        stand_in = tmp_path / program
        stand_in.write_text(instead)
        stand_in.chmod(0o755)

    path = run(IMAGES["3.1 cpu"], "readlink", "-f", f"/usr/bin/{program}").stdout.strip()
    done = run(IMAGES["3.1 cpu"], "sh", IMAGE_TEST, binds=(f"{stand_in}:{path}",))

    assert done.returncode == 1
    assert f"image test: {sentence}" in done.stderr


def test_an_image_without_a_library_fails_its_test(tmp_path: Path) -> None:
    program = "/usr/bin/relion_mask_create"
    for_cuda = tmp_path / "for_cuda"
    run(IMAGES["3.1 cuda"], "cp", program, str(for_cuda), binds=(str(tmp_path),))

    done = run(IMAGES["3.1 cpu"], "sh", IMAGE_TEST, binds=(f"{for_cuda}:{program}",))

    assert done.returncode == 1
    assert "relion_mask_create lacks the libraries libcufft.so" in done.stderr


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("3.1 cuda", "gpu=none", "built for gpu=none, but RELION says gpu=nvidia"),
        ("3.1 cpu", "gpu=nvidia", "built for gpu=nvidia, but RELION says gpu=none"),
        ("3.1 cpu", "gui=yes", "relion_display is missing"),
        ("5 cpu", "python=yes", "relion_python_blush is missing"),
    ],
)
def test_an_image_that_is_not_what_it_was_to_be_fails_its_test(
    name: str, options: str, sentence: str
) -> None:
    done = run(IMAGES[name], "sh", IMAGE_TEST, options)

    assert done.returncode == 1
    assert f"image test: {sentence}" in done.stderr


CLASSIFY = (
    "relion_refine --i particles.star --ref reference.mrc --K 1 --iter 1 --sym C1"
    " --particle_diameter 100 --healpix_order 1 --offset_range 2 --offset_step 2"
    " --zero_mask --norm --scale --random_seed 1 --j 1 --o"
)


def test_the_cuda_build_refines_on_the_cpu_as_the_cpu_build_does(
    particles: Path, tmp_path: Path
) -> None:
    maps = {}
    for name in ("3.1 cpu", "3.1 cuda"):
        output = tmp_path / name.replace(" ", "-")
        command = [*CLASSIFY.split(), str(output)]
        done = run(IMAGES[name], *command, binds=(str(tmp_path),), folder=particles)
        assert done.returncode == 0, done.stdout + done.stderr
        with mrcfile.open(f"{output}_it001_class001.mrc") as file:
            maps[name] = np.array(file.data)

    assert maps["3.1 cpu"].std() > 0
    tolerance = 1e-3 * maps["3.1 cpu"].std()
    np.testing.assert_allclose(maps["3.1 cuda"], maps["3.1 cpu"], atol=tolerance)
