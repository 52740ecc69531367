"""The files of a refinement's iterations, small, as RELION writes them."""

from __future__ import annotations

import struct
from pathlib import Path

__all__ = ["write_iteration", "write_map"]

END = " \n"  # RELION ends each table with this line


def write_map(path: Path, box: int = 4) -> None:
    """A map of real numbers: a header of 1024 bytes, and four bytes for each voxel."""
    header = struct.pack("<4i", box, box, box, 2).ljust(1024, b"\0")
    path.write_bytes(header + bytes(4 * box**3))


def write_iteration(job: Path, number: int, root: str = "run") -> Path:
    """All files of iteration `number` of an auto-refinement; returns the optimiser's."""
    name = f"{job.parent.name}/{job.name}/{root}_it{number:03}"
    file = job / f"{root}_it{number:03}"
    halves = []
    for half in (1, 2):
        write_map(Path(f"{file}_half{half}_class001.mrc"))
        model = Path(f"{file}_half{half}_model.star")
        model.write_text(
            "\n# version 30001\n\ndata_model_general\n\n_rlnNrClasses 1\n"
            f"{END}\n# version 30001\n\ndata_model_classes\n\nloop_\n_rlnReferenceImage #1\n"
            f"{name}_half{half}_class001.mrc\n{END}"
        )
        halves.append(f"{name}_half{half}_model.star")
    for part in ("data", "sampling"):
        text = f"\n# version 30001\n\ndata_{part}\n\nloop_\n_rlnX #1\n1\n2\n{END}"
        Path(f"{file}_{part}.star").write_text(text)
    optimiser = Path(f"{file}_optimiser.star")
    optimiser.write_text(
        "# RELION optimiser; version 5.0.1\n# --o run --i particles.star\n"
        "\ndata_optimiser_general\n\n"
        f"_rlnOutputRootName                    {name.rpartition('_it')[0]}\n"
        f"_rlnModelStarFile                     {halves[0]}\n"
        f"_rlnModelStarFile2                    {halves[1]}\n"
        f"_rlnExperimentalDataStarFile          {name}_data.star\n"
        f"_rlnOrientSamplingStarFile            {name}_sampling.star\n"
        f"_rlnCurrentIteration                  {number}\n{END}"
    )
    return optimiser
