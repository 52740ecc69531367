"""Small refinements, as RELION's command lines of them."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["BODIES", "CLASS3D", "JOBS", "REFINE3D", "Refinement"]

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
