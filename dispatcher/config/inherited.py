"""Which variables of whoever submits do a scheduler's commands, and so jobs, not inherit?

A job is what its script says, wherever it was submitted: from a login node, or from inside another
job (a desktop session on a node), whose variables describe that job and its ranks. What a scheduler
gives to its jobs, its own file names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from .scheduler import Scheduler

__all__ = ["SHELL", "SHELL_FUNCTIONS", "not_inherited", "passing_on"]

# What changes how bash reads a script, or what the programs print that scripts read. job_template/
# library/shell.sh unsets the same at the script's beginning.
SHELL = (
    *("BASH_ENV", "ENV"),  # commands that run first
    *("BASH_COMPAT", "POSIXLY_CORRECT"),  # another language
    *("CDPATH", "GLOBIGNORE", "EXECIGNORE", "IFS", "TMOUT", "FUNCNEST"),  # other results
    *("GREP_OPTIONS", "PS_FORMAT", "PS_PERSONALITY"),  # other lines from grep and ps
)
# bash reads these before the script, which can no longer change all that they do.
_OF_A_SHELL = (*SHELL, "SHELLOPTS", "BASHOPTS", "BASH_XTRACEFD", "PS4")
# Functions of these names (for grep -E) stay, as sites' templates call them: environment
# modules, software collections, Spack, and what these call. A script has no name that begins so.
SHELL_FUNCTIONS = ("module", "ml", "switchml", "scl", "spack", "_.*")

# The process of MPI in which somebody submits: its rank and its daemons. People and modules make
# settings of the same beginnings (OMPI_ALLOW_RUN_AS_ROOT, HYDRA_IFACE), and a daemon tells its
# ranks some by itself; so these are hidden where there is a rank, which has one of _RANKS.
_RANKS = ("PMIX_RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK", "PALS_RANKID",
          "MPI_LOCALRANKID")  # fmt: skip
_OF_A_RANK = (
    *("PMIX_", "PMI_", "PMI2_", "OMPI_", "PRTE_", "ORTE_", "HYDRA_", "HYDI_", "PALS_"),
    *("MPI_LOCAL", "MPISPAWN_", "MV2_COMM_WORLD_"),
)
# Of these settings for Open MPI a rank has some from its daemon; the others are people's.
_SETTINGS = ("OMPI_MCA_", "PMIX_MCA_", "PRTE_MCA_")
_OF_A_DAEMON = re.compile(r"(OMPI|PRTE)_MCA_(ess|orte|prte|pmix|plm|shmem|initial_wdir)(_|$)")

# The GPUs of a job on another machine. A job on this machine keeps within them.
_OF_THIS_MACHINE = (
    *("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "CUDA_MPS_"),
    *("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "ZE_AFFINITY_MASK"),
    "ONEAPI_DEVICE_SELECTOR",
)

_FUNCTION = re.compile(r"BASH_FUNC_(.*)(%%|\(\))", re.DOTALL)


def not_inherited(environment: Iterable[str], scheduler: Scheduler) -> Iterator[str]:
    """Those of the environment's names that a scheduler's commands do not see.

    >>> local = Scheduler(submit_command=["bash"], detached=True, of_a_job=["FERRY_"])
    >>> environment = ["FERRY_ID", "CUDA_VISIBLE_DEVICES", "OMPI_MCA_btl", "BASH_FUNC_rm%%", "HOME"]
    >>> list(not_inherited(environment, local))
    ['FERRY_ID', 'BASH_FUNC_rm%%']
    """
    environment = tuple(environment)
    of_a_rank = _OF_A_RANK if any(name in _RANKS for name in environment) else ()
    overriding, of_a_job = tuple(scheduler.overriding), tuple(scheduler.of_a_job)
    of_the_cluster = tuple(scheduler.of_the_cluster)
    for name in environment:
        if function := _FUNCTION.fullmatch(name):
            hidden = not _stays_as_function(function[1])
        elif name.startswith(_OF_THIS_MACHINE):
            hidden = not scheduler.detached
        elif name.startswith(of_a_job):
            hidden = not name.startswith(of_the_cluster)
        elif name.startswith(_SETTINGS):
            hidden = bool(of_a_rank) and _OF_A_DAEMON.match(name) is not None
        else:
            hidden = name.startswith((*of_a_rank, "dispatch_")) or name in _OF_A_SHELL
        if hidden or name.startswith(overriding):
            yield name


def _stays_as_function(name: str) -> bool:
    return re.fullmatch("|".join(SHELL_FUNCTIONS), name) is not None


def passing_on(schedulers: Mapping[str, Scheduler], listed: Sequence[str]) -> dict[str, Scheduler]:
    """The schedulers; one whose commands run on another machine passes `listed` on as well.

    These are the variables that containers are to see, wherever a job was submitted.
    """
    return {
        name: replace(each, through_variables=[*each.through_variables, *listed])
        if each.through
        else each
        for name, each in schedulers.items()
    }
