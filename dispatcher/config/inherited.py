"""Which variables of whoever submits do a scheduler's commands, and so jobs, not inherit?

A job is what its script says, wherever it was submitted: from a login node, or from inside another
job (a desktop session on a node, ``salloc``), whose variables describe that job and its ranks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

__all__ = ["SHELL", "SHELL_FUNCTIONS", "not_inherited"]

# What changes how bash reads a script, or what the programs print that scripts read. job_template/
# library/shell.sh unsets the same at the script's beginning.
SHELL = (
    *("BASH_ENV", "ENV"),  # commands that run first
    *("BASH_COMPAT", "POSIXLY_CORRECT"),  # another language
    *("CDPATH", "GLOBIGNORE", "EXECIGNORE", "IFS", "TMOUT", "FUNCNEST"),  # other results
    *("GREP_OPTIONS", "PS_FORMAT", "PS_PERSONALITY"),  # other lines from grep and ps
)
# bash reads these before the script, which can no longer change all that they do.
_BEFORE_THE_SCRIPT = ("SHELLOPTS", "BASHOPTS", "BASH_XTRACEFD", "PS4")
# Functions of these names (for grep -E) stay, as sites' templates call them: environment
# modules, software collections, Spack, and what these call. A script has no name that begins so.
SHELL_FUNCTIONS = ("module", "ml", "switchml", "scl", "spack", "_.*")

# The process of a job in which somebody submits: its rank, its limits, its daemons.
_OF_A_JOB = (
    *("SLURM_", "SLURMD_", "SLURMSTEPD_", "SRUN_", "SALLOC_", "SBATCH_"),
    *("PMIX_", "PMI_", "PMI2_", "OMPI_", "PRTE_", "ORTE_", "HYDRA_", "HYDI_", "PALS_"),
    *("MPI_LOCAL", "MPISPAWN_", "MV2_COMM_WORLD_"),
)
# The way to the cluster and its keys, and settings that people and modules make for Open MPI.
_STAYS = ("SLURM_CONF", "SLURM_JWT", "SLURM_SACK_", "OMPI_MCA_", "PMIX_MCA_", "PRTE_MCA_")
# Among those settings: what an Open MPI daemon tells a rank that it has started.
_OF_A_RANK = re.compile(r"(OMPI|PRTE)_MCA_(ess|orte|prte|pmix|plm|shmem|initial_wdir)(_|$)")

# The GPUs of a job on another machine. A job on this machine keeps within them, and has the disk of
# the job in which it runs.
_OF_THIS_MACHINE = (
    *("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "CUDA_MPS_"),
    *("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "ZE_AFFINITY_MASK"),
    "ONEAPI_DEVICE_SELECTOR",
    "SLURM_TMPDIR",
)

_FUNCTION = re.compile(r"BASH_FUNC_(.*)(%%|\(\))", re.DOTALL)


def not_inherited(
    environment: Iterable[str], overriding: Iterable[str], here: bool
) -> Iterator[str]:
    """Those of the environment's names that a scheduler's commands do not see.

    `overriding` are beginnings of further names; `here` says that the job runs on this machine.

    >>> environment = ["SLURM_JOB_ID", "SLURM_CONF", "OMPI_MCA_btl", "BASH_FUNC_rm%%", "HOME"]
    >>> list(not_inherited(environment, [], here=True))
    ['SLURM_JOB_ID', 'BASH_FUNC_rm%%']
    """
    further = tuple(overriding)
    for name in environment:
        if function := _FUNCTION.fullmatch(name):
            hidden = not _stays_as_function(function[1])
        elif name.startswith(_OF_THIS_MACHINE):
            hidden = not here
        elif name.startswith(_OF_A_JOB):
            hidden = not name.startswith(_STAYS) or _OF_A_RANK.match(name) is not None
        else:
            hidden = name in SHELL or name in _BEFORE_THE_SCRIPT or name.startswith("dispatch_")
        if hidden or name.startswith(further):
            yield name


def _stays_as_function(name: str) -> bool:
    return re.fullmatch("|".join(SHELL_FUNCTIONS), name) is not None
