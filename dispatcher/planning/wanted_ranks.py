"""The most ranks, threads and GPUs that a job may have: by its type, partition and window."""

from __future__ import annotations

from ..config.json_files import read_json
from ..config.places import shipped_folder
from ..config.site import Partition, Site
from ..relion.programs import lookup
from .devices import devices_named, is_ours
from .foreign_program import gpus_asked_for
from .layouts import WantedRanks
from .unplaced_job import UnplacedJob

__all__ = ["through_mps", "wanted_ranks"]


def wanted_ranks(job: UnplacedJob, site: Site, partition: Partition) -> WantedRanks:
    """What the job type asks for, else RELION's window."""
    parameters, submission = job.job_type.parameters, job.request.submission
    options = job.request.options
    # RELION writes --j into every External job.
    thread_options = ("--j",) if job.is_foreign else lookup(job.command.program).threads
    given_threads = submission.main.value(thread_options[0].lstrip("-")) if thread_options else None
    adjust = job.job_type.nearest("adjust_GPU_nproc_to_mem")
    asked = gpus_asked_for(job.command, partition) if job.is_foreign else 0
    mem = parameters.get("mem")
    nproc = _first_number(parameters.get("nproc"), submission.ranks, options.get("nr_mpi"))
    ours = is_ours(job.command, submission.main, nproc)
    return WantedRanks(
        nproc=nproc,
        nthread=_first_number(parameters.get("nthread"), given_threads, submission.threads),
        ngpu=_first_number(parameters.get("ngpu"), adjust and adjust[0], asked),
        nodes=_first_number(parameters.get("nodes")),
        ranks_per_gpu=_ranks_per_gpu(job, partition),
        through_mps=through_mps(job, site),
        mem=mem if isinstance(mem, str) else None,
        devices=() if ours else devices_named(job.command),
    )


def through_mps(job: UnplacedJob, site: Site) -> int | None:
    """Ranks that may share a GPU through MPS, None if they do without.

    Blush is a process of its own, which a rank starts on its GPU (backprojector.cpp:1286, 5.0.1).
    """
    if not (site.shares_through_mps and lookup(job.command.program).idle_leader):
        return None
    clients = site.apptainer.gpu_vendor.mps_clients
    blush = "blush" in job.command or (job.refinement is not None and job.refinement.blush)
    return clients // 2 if clients and blush else clients


def _ranks_per_gpu(job: UnplacedJob, partition: Partition) -> int | None:
    """The most ranks that may share a GPU: the partition's number, the job type's, the shipped one.

    A file in the FMI format has chosen nproc for the card that adjust_GPU_nproc_to_mem names, so
    it has no cap unless it says so.
    """
    cap: int | None = partition.ranks_per_gpu or job.job_type.parameters.get("ranks_per_gpu")
    chosen = job.job_type.nearest("adjust_GPU_nproc_to_mem") is not None
    if cap is None and not chosen and lookup(job.command.program).idle_leader:
        shipped = read_json(shipped_folder() / "config" / "dispatch_config.json")
        cap = shipped["gpu"]["job_parameters"]["ranks_per_gpu"]
    return cap


def _first_number(*candidates: int | str | None) -> int:
    """The first of the candidates that is a whole number, else 1."""
    for candidate in candidates:
        if candidate is not None and str(candidate).isdigit():
            return int(candidate)
    return 1
