"""Make a small particle set with RELION itself: views of a few Gaussian blobs, with noise.

Usage: demo_particles.py FOLDER IMAGE [--particles N] [--apptainer PROGRAM]

Writes FOLDER/reference.mrc (32 pixels of 4 Å), particles.mrcs and particles.star. The projections
are relion_project's; they are then normalised as RELION's extraction does (background of mean 0
and standard deviation 1).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import mrcfile
import numpy as np

BOX = 32  # pixels
PIXEL_SIZE = 4.0  # Å
PARTICLE_RADIUS = 13  # pixels; what lies outside is background

# Centre (x, y, z) and width in pixels, weight. No symmetry, so that every view differs; narrow, so
# that there is something to see at 10 Å.
BLOBS = (
    ((0, 0, 0), 1.8, 1.7),
    ((6, 0, 0), 1.2, 1.7),
    ((0, 7, 0), 1.2, 2.0),
    ((0, 0, 5), 1.2, 1.3),
    ((-4, -4, 2), 0.9, 2.5),
    ((3, -5, -4), 0.9, 2.2),
)


def blob_map() -> np.ndarray:
    """The sum of BLOBS, shape (BOX, BOX, BOX), order z, y, x."""
    z, y, x = np.indices((BOX, BOX, BOX)) - BOX // 2
    density = np.zeros((BOX, BOX, BOX), np.float32)
    for (x0, y0, z0), width, weight in BLOBS:
        distance2 = (x - x0) ** 2 + (y - y0) ** 2 + (z - z0) ** 2
        density += weight * np.exp(-distance2 / (2 * width**2)).astype(np.float32)
    return density


def normalise(stack: Path) -> None:
    """Set the background of each image in the stack to mean 0 and standard deviation 1."""
    y, x = np.indices((BOX, BOX)) - BOX // 2
    background = x**2 + y**2 > PARTICLE_RADIUS**2
    with mrcfile.open(stack, mode="r+") as file:
        outside = file.data[:, background]
        mean, deviation = outside.mean(axis=1), outside.std(axis=1)
        file.set_data((file.data - mean[:, None, None]) / deviation[:, None, None])


def make_particles(folder: Path, image: Path, particles: int, apptainer: str) -> None:
    """Write the reference map and the particle set into `folder`.

    Raises:
        subprocess.CalledProcessError: relion_project failed; its output is in the exception.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with mrcfile.new(folder / "reference.mrc", overwrite=True) as file:
        file.set_data(blob_map())
        file.voxel_size = PIXEL_SIZE
    project = [
        "relion_project", "--i", "reference.mrc", "--o", "particles",
        "--nr_uniform", str(particles), "--angpix", str(PIXEL_SIZE),
        "--add_noise", "--white_noise", "0.5",
    ]  # fmt: skip
    container = [apptainer, "exec", "--cleanenv", "--no-home", f"--pwd={folder}",
                 f"--mount=type=bind,source={folder},destination={folder}"]  # fmt: skip
    run_to_end([*container, str(image), *project], folder)
    normalise(folder / "particles.mrcs")


def run_to_end(command: list[str], folder: Path) -> str:
    """Run a command in `folder`; its output. Whatever interrupts us ends it in good order.

    subprocess.run would kill it: of a killed Apptainer its image's mount stays.

    Raises:
        subprocess.CalledProcessError: it failed; its output is in the exception.
    """
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        output, _ = process.communicate()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, output)
    return output


def main() -> None:
    """Make the files."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("image", type=Path)
    parser.add_argument("--particles", type=int, default=200)
    parser.add_argument("--apptainer", default="apptainer")
    wanted = parser.parse_args()
    try:
        make_particles(wanted.folder, wanted.image, wanted.particles, wanted.apptainer)
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error.stdout}\nrelion_project failed with status {error.returncode}.")


if __name__ == "__main__":
    main()
