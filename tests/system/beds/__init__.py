"""The clusters of the fault suite: a bed is one of them, with what a fault needs of it."""

from .bed import Bed
from .gridengine import GridEngineBed
from .slurm import SlurmBed
from .stand_in import StandInBed

__all__ = ["BEDS", "Bed"]

BEDS: dict[str, type[Bed]] = {
    "slurm-oldest": SlurmBed,
    "slurm-newest": SlurmBed,
    "gridengine": GridEngineBed,
    "pbs": StandInBed,
    "lsf": StandInBed,
}
