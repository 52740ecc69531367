"""What RELION's GUI says about a job: its label and its options, from ``JOB/job.star``.

RELION writes the file before it calls the hook (``runJob`` in ``src/pipeliner.cpp``, 3.1 to 5.0),
in two dialects: ``_rlnJobType 10`` up to 3.1, ``_rlnJobTypeLabel relion.refine3d`` from 4.0 on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from os import PathLike
from pathlib import PurePosixPath

from ..errors import InputError
from . import star

__all__ = ["JobStar", "label_from_directory", "read"]

_LONGEST = 1 << 20  # bytes; RELION writes a few kilobytes


@dataclass(frozen=True)
class JobStar:
    """A job as the user set it up in RELION.

    ``label`` is RELION's job type ('relion.refine3d', 'relion.autopick.log'), None if the file
    does not say; ``options`` are the GUI's fields ('nr_mpi': '5'). ``problem`` is None, or a
    sentence on why the file could not be read to its end; then the rest holds what came before.
    """

    label: str | None
    is_continue: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None


def read(path: str | PathLike[str]) -> JobStar | None:
    """Read ``JOB/job.star``; None when there is no such file.

    A damaged file is not an error either, because the submission script has all that is needed:
    what was read up to the damage is returned, with ``problem`` set. Raises nothing.
    """
    label: str | None = None
    is_continue = False
    options: dict[str, str] = {}
    problem: str | None = None
    try:
        for block in star.read_blocks(path, at_most=_LONGEST):
            if block.name == "job":
                label, problem = _label(block, str(path))
                is_continue = block.first("_rlnJobIsContinue") == "1"
            elif block.name == "joboptions_values":
                names = block.column("_rlnJobOptionVariable")
                options.update(zip(names, block.column("_rlnJobOptionValue"), strict=False))
    except InputError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        problem = str(error)
    if label is None and problem is None:
        problem = f"{path} names no job type; relion-dispatch uses the submission script alone."
    return JobStar(label, is_continue, options, problem)


def _label(block: star.Block, path: str) -> tuple[str | None, str | None]:
    """The job's label and, if there is none, why: '_rlnJobType 8' -> ('relion.class2d', None)."""
    label = block.first("_rlnJobTypeLabel")
    if label:
        return label, None
    number = block.first("_rlnJobType")
    if number is None:
        return None, None
    label = _label_of_number(number)
    if label is None:
        return None, (
            f"{path} has the unknown job type {number}; relion-dispatch uses the "
            "submission script alone."
        )
    return label, None


def _label_of_number(number: str) -> str | None:
    """The label of a job type of RELION 3.1 (``PROC_*`` in ``src/pipeline_jobs.h`` 3.1.4)."""
    return {
        "0": "relion.import",
        "1": "relion.motioncorr",
        "2": "relion.ctffind",
        "3": "relion.manualpick",
        "4": "relion.autopick",
        "5": "relion.extract",
        "7": "relion.select",
        "8": "relion.class2d",
        "9": "relion.class3d",
        "10": "relion.refine3d",
        "12": "relion.maskcreate",
        "13": "relion.joinstar",
        "14": "relion.subtract",
        "15": "relion.postprocess",
        "16": "relion.localres",
        "18": "relion.initialmodel",
        "19": "relion.multibody",
        "20": "relion.polish",
        "21": "relion.ctfrefine",
        "99": "relion.external",
    }.get(number)


def label_from_directory(directory: str) -> str | None:
    """The label that a job's folder gives away: 'External/job015/' -> 'relion.external'.

    For when job.star is missing. None for a folder that RELION does not make, and for Import,
    Extract, CtfRefine and Polish, which RELION 5 uses for single particles and tomography alike
    (``PROC_*_DIRNAME`` in ``src/pipeline_jobs.h``, 3.1.4, 4.0.2 and 5.0.1).
    """
    parts = PurePosixPath(directory).parts
    folder = next((above for above, job in pairwise(parts) if re.fullmatch(r"job\d+", job)), "")
    return {
        "MotionCorr": "relion.motioncorr",
        "CtfFind": "relion.ctffind",
        "ManualPick": "relion.manualpick",
        "AutoPick": "relion.autopick",
        "Select": "relion.select",
        "Class2D": "relion.class2d",
        "Class3D": "relion.class3d",
        "Refine3D": "relion.refine3d",
        "MaskCreate": "relion.maskcreate",
        "JoinStar": "relion.joinstar",
        "Subtract": "relion.subtract",
        "PostProcess": "relion.postprocess",
        "LocalRes": "relion.localres",
        "InitialModel": "relion.initialmodel",
        "MultiBody": "relion.multibody",
        "DynaMight": "dynamight",
        "ModelAngelo": "modelangelo",
        "ImportTomo": "relion.importtomo",
        "PseudoSubtomo": "relion.pseudosubtomo",
        "CtfRefineTomo": "relion.ctfrefinetomo",
        "FrameAlignTomo": "relion.framealigntomo",
        "ReconstructParticleTomo": "relion.reconstructparticletomo",
        "Reconstruct": "relion.reconstructparticletomo",
        "ExcludeTiltImages": "relion.excludetilts",
        "AlignTiltSeries": "relion.aligntiltseries",
        "Tomograms": "relion.reconstructtomograms",
        "Denoise": "relion.denoisetomo",
        "Picks": "relion.picktomo",
        "External": "relion.external",
    }.get(folder)
