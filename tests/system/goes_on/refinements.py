"""Small refinements, RELION's own files of them, and how these look when a job was cut."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import mrcfile
import numpy as np

from dispatcher.job_script.library import read_library
from dispatcher.relion.command import parse_command
from dispatcher.relion.continuation import Continuation, continued

__all__ = [
    "BODIES", "CLASS3D", "JOBS", "REFINE3D", "Refinement", "Run", "iteration", "kinds", "leave_cut",
    "names", "options_that_warn", "prepare",
]  # fmt: skip

FEW = 40  # particles
BOX = 32  # pixels
RANKS = ("mpirun", "-n", "3", "--oversubscribe", "--bind-to", "none")

COMMON = "--particle_diameter 110 --zero_mask --flatten_solvent --j 1 --random_seed 42 --pool 3"
NEW = f"--i few.star {COMMON}"
CLASSES = f"{NEW} --pad 2 --oversampling 1 --norm --scale"
DENOVO = f"{NEW} --pad 1 --oversampling 1 --denovo_3dref --K 1 --sym C1 --healpix_order 0"
# Converges after a few iterations, whatever the angles do: two options are for that.
AUTO = (
    "--oversampling 1 --offset_range 3 --offset_step 2 --auto_ignore_angles "
    "--maximum_angular_sampling 80 --auto_iter_max 12"
)


class Refinement(NamedTuple):
    """A job of relion_refine.

    Attributes:
        job: its folder, seen from the project's.
        options: all of its command but --o and --pipeline_control.
        after: the iteration after which it is cut.
        ranks: whether it runs under MPI.
        by_hand: what RELION's window writes beside --continue and --o if its user continues the job
            (getCommandsClass3DJob and getCommandsAutorefineJob in pipeline_jobs.cpp, 3.1 and 5.0).
    """

    job: str
    options: str
    after: int
    ranks: bool = False
    by_hand: str = ""

    @property
    def converges(self) -> bool:
        """Whether it ends by itself. RELION keeps in no file that the angles are fine enough, and
        perturbs the sampling anew: it may need an iteration more than uncut, or less."""
        return "--auto_iter_max" in self.options

    @property
    def program(self) -> str:
        """RELION's program."""
        return "relion_refine_mpi" if self.ranks else "relion_refine"

    @property
    def line(self) -> str:
        """Its command."""
        places = f"--o {self.job}/run --pipeline_control {self.job}/"
        return f"{self.program} {self.options} {places}"


CLASS3D = Refinement(
    "Class3D/job002",
    f"{CLASSES} --ref reference.mrc --firstiter_cc --ini_high 40 --K 2 --iter 4 --sym C1 "
    "--healpix_order 0 --offset_range 3 --offset_step 2 --tau2_fudge 4",
    after=2,  # the second iteration makes the classes
    by_hand="--pool 3 --pad 2 --iter 4 --tau2_fudge 4 --particle_diameter 110 --oversampling 1 "
    "--healpix_order 0 --offset_range 3 --offset_step 2 --j 1",
)
REFINE3D = Refinement(
    "Refine3D/job003",
    f"{NEW} --pad 2 --auto_refine --split_random_halves --ref reference.mrc --ini_high 30 "
    "--healpix_order 1 --auto_local_healpix_order 4 --sym C1 --low_resol_join_halves 40 --norm "
    f"--scale {AUTO}",
    after=2,
    ranks=True,
    by_hand="--pool 3 --pad 2 --particle_diameter 110 --j 1 --auto_ignore_angles "
    "--maximum_angular_sampling 80 --auto_iter_max 12",
)
# By RELION's major version.
JOBS = {
    "3": [
        Refinement(
            "Class2D/job001",
            f"{CLASSES} --K 3 --iter 5 --psi_step 24 --offset_range 3 --offset_step 2 "
            "--tau2_fudge 2 --dont_combine_weights_via_disc",
            after=3,
        ),
        CLASS3D,
        REFINE3D,
        Refinement(
            "InitialModel/job004",
            f"{DENOVO} --sgd --sgd_ini_iter 2 --sgd_inbetween_iter 4 --sgd_fin_iter 2 "
            "--sgd_write_iter 2 --sgd_ini_resol 40 --sgd_fin_resol 20 --sgd_ini_subset 20 "
            "--sgd_fin_subset 30 --offset_range 4 --offset_step 4 --skip_gridding",
            after=4,
        ),
    ],
    "5": [
        Refinement(
            "Class2D/job001",
            f"{CLASSES} --K 3 --iter 5 --psi_step 24 --offset_range 3 --offset_step 2 "
            "--tau2_fudge 2 --center_classes --dont_combine_weights_via_disc",
            after=3,
        ),
        CLASS3D,
        REFINE3D,
        Refinement(
            "InitialModel/job004",
            f"{DENOVO} --grad --iter 6 --grad_write_iter 2 --offset_range 4 --offset_step 4 "
            "--auto_sampling --tau2_fudge 4",
            after=4,
        ),
        Refinement(  # VDAM
            "Class2D/job005",
            f"{CLASSES} --grad --class_inactivity_threshold 0.1 --grad_write_iter 2 --K 3 "
            "--iter 6 --psi_step 24 --offset_range 3 --offset_step 2 --tau2_fudge 2 "
            "--center_classes",
            after=4,
        ),
    ],
}
# Its command has a --continue of its own: with the optimiser of the refinement before.
BODIES = Refinement(
    "MultiBody/job006",
    "--continue {optimiser} --multibody_masks bodies.star --ini_high 30 --healpix_order 2 --pad 2 "
    f"--solvent_correct_fsc --j 1 --pool 3 {AUTO}",
    after=2,
    ranks=True,
)


class Run:
    """Runs RELION in one folder, in one image."""

    def __init__(self, folder: Path, image: Path) -> None:
        self.folder = folder
        container = [os.environ["RELION_TEST_APPTAINER"], "-q", "exec", "--bind", str(folder)]
        self._container = [*container, "--pwd", str(folder), str(image)]

    def from_the_beginning(self, refinement: Refinement) -> str:
        """What RELION says; its files are in the job's folder."""
        (self.folder / refinement.job).mkdir(parents=True)
        return self._ends_well(shlex.join(self._words(refinement)), refinement.line)

    def from_where_it_was_cut(self, refinement: Refinement, version: tuple[int, int]) -> str:
        """As the job script does: what the library finds, and the command's form for that."""
        found = continued(parse_command(refinement.line), refinement.job, version)
        assert isinstance(found, Continuation), found
        job = self.folder / refinement.job
        control = job / ".dispatch_control.0123456789ab"
        control.mkdir(exist_ok=True)
        os.utime(self._submitted(job), (1, 1))
        library = control / "library.sh"
        library.write_text(read_library().text)
        settings = (
            f"source {refinement.job}/{control.name}/{library.name}\n"
            f"dispatch_folder={refinement.job} dispatch_control={refinement.job}/{control.name} "
            f"dispatch_kept={refinement.job}/{control.name}\n"
            "dispatch_run=2 dispatch_at=0 dispatch_done=0; note_in_lease() { :; }\n"
        )
        begin = f"prepare_to_go_on {found.way} {found.root.shell()} {found.least}\n"
        words = shlex.join(self._words(refinement))
        return self._ends_well(f"{settings}{begin}{words}", found.command.shell())

    def by_hand(self, refinement: Refinement) -> None:
        """As RELION's window continues it: the new files have another root, run_ct2."""
        optimiser = f"{refinement.job}/run_it{refinement.after:03}_optimiser.star"
        places = f"--continue {optimiser} --o {refinement.job}/run_ct{refinement.after}"
        command = f"{refinement.program} {places} {refinement.by_hand}"
        self._ends_well(shlex.join(self._words(refinement)), command)

    def _words(self, refinement: Refinement) -> list[str]:
        return [*self._container, *(RANKS if refinement.ranks else ())]

    def _submitted(self, job: Path) -> Path:
        library = job / "run_submit.script.lib"
        library.touch()
        return library

    def _ends_well(self, before: str, command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", f"{before} {command}"],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, said[-3000:]
        return said


def prepare(folder: Path, particles: Path) -> None:
    """A project with few of the particles, and two bodies of the reference."""
    for file in ("reference.mrc", "particles.mrcs"):
        shutil.copy(particles / file, folder)
    lines = (particles / "particles.star").read_text().splitlines(keepends=True)
    rows = [at for at, line in enumerate(lines) if "@" in line]
    (folder / "few.star").write_text("".join(lines[: rows[FEW]] + lines[rows[-1] + 1 :]))
    z, y, x = np.indices((BOX, BOX, BOX)) - (BOX - 1) / 2
    ball = np.clip((13 - np.sqrt(x**2 + y**2 + z**2)) / 3, 0, 1)
    upper = np.clip(z / 2 + 1, 0, 1)
    for name, part in (("upper", upper), ("lower", 1.2 - upper)):
        with mrcfile.new(folder / f"{name}.mrc") as file:
            file.set_data((ball * np.clip(part, 0, 1)).astype(np.float32))
            file.voxel_size = 4.0
    labels = ("BodyMaskName", "BodyRotateRelativeTo", "BodySigmaAngles", "BodySigmaOffset")
    head = "".join(f"_rln{label} #{at}\n" for at, label in enumerate(labels, 1))
    (folder / "bodies.star").write_text(
        f"\ndata_\n\nloop_\n{head}upper.mrc 2 10 2\nlower.mrc 1 10 2\n\n"
    )


def leave_cut(job: Path, after: int) -> None:
    """Leave of a finished refinement what a kill leaves while an iteration is written."""
    iterations = sorted({at for name in names(job) if (at := iteration(name)) is not None})
    cut_short = iterations[iterations.index(after) + 1]
    for name in names(job):
        from_the_beginning = name.endswith(("_mask.mrc", "run_bodies.bild"))
        if cut_short < at if (at := iteration(name)) is not None else not from_the_beginning:
            (job / name).unlink()
    (data,) = job.glob(f"run_it{cut_short:03}_data.star")
    data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])


def names(job: Path) -> set[str]:
    """The names of RELION's files of a job."""
    files = (file.name for file in job.iterdir() if file.is_file())
    return {name for name in files if name.startswith("run_") and "submit" not in name}


def kinds(job: Path) -> set[str]:
    """The names of RELION's files of a job, as of one iteration: run_it_data.star."""
    return {re.sub(r"^run_it\d+_", "run_it_", name) for name in names(job)}


def iteration(name: str) -> int | None:
    """12 for run_it012_data.star, None for run_data.star."""
    found = re.match(r"run_it(\d+)_", name)
    return int(found[1]) if found else None


def options_that_warn(said: str) -> set[str]:
    """The options of which RELION says that it does not know them."""
    return set(re.findall(r"Option (--\w+)\s+is not a valid RELION argument", said))
