"""Draw a refinement's result: three slices of its map, and how far its two half maps agree.

Usage: python -m deploy.demo_picture JOB PICTURE      in the checkout's folder

JOB is the folder of a Refine3D job that has finished, PICTURE ends with .png, .svg or .pdf.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import mrcfile
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dispatcher.errors import InputError
from dispatcher.relion.star import read_block

THRESHOLD = 0.143  # of half maps: Rosenthal and Henderson 2003, doi:10.1016/j.jmb.2003.07.013
CURVE, LINE, MARK = "#1f5a96", "#8a5a00", "#b3261e"
ANGSTROMS = (100, 50, 30, 20, 15, 12, 10, 8, 7, 6, 5, 4, 3.5, 3, 2.5, 2, 1.8, 1.6, 1.4, 1.2, 1)
LENGTHS = (1, 2, 5, 10, 20, 50, 100, 200, 500)  # Å, of the bar that gives the scale


class Agreement(NamedTuple):
    """What a run_model.star says of the half maps: RELION's own numbers.

    ``resolution`` in Å (rlnCurrentResolution), ``frequencies`` in 1/Å (rlnResolution) and ``fsc``
    (rlnGoldStandardFsc, of the half maps without a mask) by shell, from 0 on.
    """

    resolution: float
    frequencies: np.ndarray
    fsc: np.ndarray


def agreement(model: Path) -> Agreement:
    """Read a run_model.star. Raises InputError if it is no such file, or tells of no half maps."""
    resolution = read_block(model, "model_general").first("_rlnCurrentResolution")
    shells = read_block(model, "model_class_1")
    frequencies, fsc = (
        np.array(shells.column(label), float) for label in ("_rlnResolution", "_rlnGoldStandardFsc")
    )
    if resolution is None or not fsc.any():
        raise InputError(f"{model} has no FSC of half maps: give the folder of a Refine3D job.")
    return Agreement(float(resolution), frequencies, fsc)


def draw(job: Path, picture: Path) -> None:
    """Draw the map of a finished Refine3D job, and the FSC of its half maps.

    Raises:
        InputError: the job has no whole run_model.star.
        OSError: its map cannot be read, or the picture not be written.
        ValueError: its map is damaged, or the picture's ending is not known.
    """
    found = agreement(job / "run_model.star")
    with mrcfile.open(job / "run_class001.mrc", mode="r") as file:
        density, pixel_size = np.array(file.data), float(file.voxel_size.x)
    figure = Figure(figsize=(9, 6.5), layout="constrained")
    places = figure.add_gridspec(2, 3, height_ratios=(1, 0.95), hspace=0.06)
    figure.suptitle(f"{job.parent.name}/{job.name}: {found.resolution:.1f} Å", fontsize=15)
    _slices([figure.add_subplot(places[0, column]) for column in range(3)], density, pixel_size)
    _curve(figure.add_subplot(places[1, :]), found)
    figure.savefig(picture, dpi=110)


def slices(density: np.ndarray) -> dict[str, np.ndarray]:
    """The slices through the middle of a map (z, y, x), by the axes to the right and up.

    The rows of each go up, as in MRC files.
    """
    middle = density.shape[0] // 2
    return {name: density.take(middle, axis) for axis, name in enumerate(("xy", "xz", "yz"))}


def _slices(places: list[Axes], density: np.ndarray, pixel_size: float) -> None:
    """Draw the slices, all in the same grey values, with a bar for the scale."""
    low, high = np.percentile(density, (1, 99.97))
    box = density.shape[0]
    bar = max((each for each in LENGTHS if each <= 0.3 * box * pixel_size), default=LENGTHS[0])
    left, up = 0.05 * box, 0.06 * box
    for axes, (name, slice_) in zip(places, slices(density).items(), strict=True):
        axes.imshow(
            slice_, "gray", vmin=low, vmax=high, origin="lower", interpolation="bicubic"
        )  # fmt: skip
        axes.set_title(f"{name} slice through the middle", fontsize=11)
        axes.set_axis_off()
        axes.plot([left, left + bar / pixel_size], [up, up], color="white", linewidth=3)
        axes.text(left, up + 0.03 * box, f"{bar} Å", color="white", fontsize=10)


def _curve(axes: Axes, found: Agreement) -> None:
    """Draw the FSC by frequency, and where RELION reads the resolution from it."""
    frequencies, fsc, resolution = found.frequencies, found.fsc, found.resolution
    last = frequencies[-1]
    axes.axhline(0, color="0.7", linewidth=0.8)
    axes.axhline(THRESHOLD, color=LINE, linestyle="--", linewidth=1.3)
    axes.text(0.01 * last, THRESHOLD + 0.02, f"{THRESHOLD}", color=LINE)
    axes.plot(frequencies, fsc, "o-", color=CURVE, markersize=4, linewidth=1.8)
    at = float(np.interp(1 / resolution, frequencies, fsc))
    axes.vlines(1 / resolution, min(0, fsc.min()), at, color=MARK, linestyle=":", linewidth=1.5)
    label = f"{resolution:.1f} Å, the last shell above {THRESHOLD}"
    axes.plot(1 / resolution, at, "o", color=MARK, markersize=8, label=label)
    # Below the curve's beginning there is room, wherever the mark is.
    axes.legend(loc="center left", frameon=False, labelcolor=MARK, handletextpad=0.2)
    axes.set_xlim(0, last)
    axes.set_ylim(min(-0.05, fsc.min() - 0.05), 1.05)
    axes.set_xlabel("spatial frequency (1/Å)")
    axes.set_ylabel("Fourier shell correlation")
    axes.set_title("Agreement of the half maps, without a mask (rlnGoldStandardFsc)", fontsize=11)
    axes.grid(alpha=0.25)
    above = axes.twiny()
    above.set_xlim(axes.get_xlim())
    shown: list[float] = []
    for each in ANGSTROMS:
        if 1 / each <= last and (not shown or 1 / each - 1 / shown[-1] >= 0.05 * last):
            shown.append(each)
    above.set_xticks([1 / each for each in shown], [f"{each:g}" for each in shown])
    above.set_xlabel("resolution (Å)")


def main() -> int:
    """Draw a picture; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("job", type=Path)
    parser.add_argument("picture", type=Path)
    wanted = parser.parse_args()
    try:
        draw(wanted.job.resolve(), wanted.picture)
    except (InputError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
