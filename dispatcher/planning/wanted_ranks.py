"""The most ranks, threads and GPUs that a job may have: by its type, partition and window."""

from __future__ import annotations

from typing import NamedTuple

from ..config.json_files import read_json
from ..config.largest import MOST_GPUS, MOST_RANKS, MOST_THREADS
from ..config.places import shipped_folder
from ..config.site import Partition, Site
from ..errors import InputError
from ..ranks.devices import devices_named, is_ours
from ..ranks.layouts import WantedRanks
from ..relion.programs import lookup
from ..units import bytes_of, whole_number
from .foreign_program import gpus_asked_for
from .thread_options import asked_by_programs_of_relion, given_threads
from .unplaced_job import UnplacedJob

__all__ = ["through_mps", "wanted_ranks"]


def wanted_ranks(job: UnplacedJob, site: Site, partition: Partition) -> WantedRanks:
    """What the job type asks for, else RELION's window.

    Raises:
        InputError: the window or a command asks for what is no such number, or for too many.
    """
    for option, text in asked_by_programs_of_relion(job):
        _number(_THREADS._replace(what=f"threads for each rank ({option})"), text)
    if job.starts_its_ranks:
        return _as_the_window_says(job)
    parameters, submission = job.job_type.parameters, job.request.submission
    ranks_open, threads_open = (_as_many_as_fit(job, key) for key in ("nproc", "nthread"))
    ranks = (submission.ranks, job.request.options.get("nr_mpi"))
    nthread = _first_number(
        _THREADS, parameters.get("nthread"), given_threads(job), submission.threads
    )
    mem = job.wishes.of_the_type.get("mem", parameters.get("mem"))
    wanted = WantedRanks(
        nproc=_first_number(_RANKS, parameters.get("nproc"), *ranks),
        nthread=_threads_of_a_node(partition) if threads_open else nthread,
        ngpu=_gpus(job, partition),
        nodes=parameters.get("nodes") or 1,
        ranks_per_gpu=_ranks_per_gpu(job, partition),
        through_mps=through_mps(job, site),
        mem=mem if isinstance(mem, str) and not ranks_open else None,
        mem_per_rank=_mem_per_rank(job) if ranks_open else None,
        threads_open=threads_open,
        ranks_open=ranks_open,
        asked_memory=job.wishes.parameters.get("mem"),
    )
    if ranks_open:
        wanted = wanted._replace(nproc=_most_ranks(job, wanted, partition))
    if is_ours(job.command, job.job_type.levels, wanted.nproc):
        return wanted
    return wanted._replace(devices=devices_named(job.command))


def _as_the_window_says(job: UnplacedJob) -> WantedRanks:
    """What a program that starts its ranks by itself will start, whatever the job type says."""
    submission, options = job.request.submission, job.request.options
    return WantedRanks(
        nproc=_first_number(_RANKS, submission.ranks, options.get("nr_mpi")),
        nthread=_first_number(_THREADS, submission.threads, options.get("nr_threads")),
        nodes=job.job_type.parameters.get("nodes") or 1,
        mem_per_rank=_mem_per_rank(job),
    )


def _mem_per_rank(job: UnplacedJob) -> int | None:
    return bytes_of(job.job_type.parameters.get("mem_per_rank"), "mem_per_rank")


def _threads_of_a_node(partition: Partition) -> int:
    return min(partition.cores or _THREADS_OF_ANY_NODE, MOST_THREADS)


def _gpus(job: UnplacedJob, partition: Partition) -> int:
    """GPUs of each node, as many as the partition gives one job. On nodes without any, as many as
    the job would have elsewhere: later it is told that there are none."""
    has = partition.gpus if _as_many_as_fit(job, "ngpu") else None
    adjust = job.job_type.nearest("adjust_GPU_nproc_to_mem")
    asked = gpus_asked_for(job.command, partition) if job.is_foreign else 0
    chosen = job.job_type.parameters.get("ngpu")
    wanted = _first_number(_GPUS, chosen, has or None, adjust and adjust[0], asked)
    if "ngpu" in job.wishes.parameters:  # partition_rules say where that is too much
        return wanted
    return wanted if partition.gpus_per_job is None else min(wanted, partition.gpus_per_job)


def _as_many_as_fit(job: UnplacedJob, key: str) -> bool:
    """Whether the job type leaves a number to the node: null. How much a program of the user's own
    can use is not known here, so that null means there what RELION's window says."""
    parameters = job.job_type.parameters
    return key in parameters and parameters[key] is None and not job.is_foreign


def _most_ranks(job: UnplacedJob, wanted: WantedRanks, partition: Partition) -> int:
    """As many ranks as the GPUs may have; without GPUs, as many as there are cores for.

    What RELION's window says, if nobody has told how many cores there are, or how much memory for
    ranks that take some each.
    """
    program = lookup(job.command.program)
    least = 1 + 2 * program.idle_leader  # which half sets need
    gpus = wanted.ngpu if partition.gpus is None else min(wanted.ngpu, partition.gpus)
    if gpus:
        followers = wanted.nodes * gpus * (wanted.most_per_gpu or 1)
        return min(MOST_RANKS, max(followers + program.idle_leader, least))
    cores = partition.cores
    if not cores or (wanted.mem_per_rank and partition.memory is None):
        return wanted.nproc
    each = _THREADS_ON_CPUS if wanted.threads_open else wanted.nthread
    fewer = max(1, cores // each)
    # One more rank, with fewer threads for each, may use more of the cores.
    on_node = fewer + ((fewer + 1) * min(each, cores // (fewer + 1)) > fewer * min(each, cores))
    return min(MOST_RANKS, max(wanted.nodes * on_node, least))


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
    if typed := job.wishes.parameters.get("ranks_per_gpu"):
        return min(int(typed), partition.ranks_per_gpu or int(typed))
    chosen = job.job_type.nearest("adjust_GPU_nproc_to_mem") is not None
    if cap is None and not chosen and lookup(job.command.program).idle_leader:
        shipped = read_json(shipped_folder() / "config" / "dispatch_config.json")
        cap = shipped["gpu"]["job_parameters"]["ranks_per_gpu"]
    return cap


# Where nobody has chosen a number: of each rank on a node whose cores nobody has told, and of
# each rank that works on CPUs.
_THREADS_OF_ANY_NODE, _THREADS_ON_CPUS = 6, 8


class _Bounds(NamedTuple):
    """The least and the most of what a job may have, as the user's window or command calls it."""

    least: int
    most: int
    what: str


_RANKS = _Bounds(1, MOST_RANKS, "MPI ranks")
_THREADS = _Bounds(1, MOST_THREADS, "threads for each rank")
_GPUS = _Bounds(0, MOST_GPUS, "GPUs of each node")


def _first_number(bounds: _Bounds, *candidates: int | str | None) -> int:
    """The first of the candidates that says something, else 1."""
    told = [candidate for candidate in candidates if candidate not in (None, "")]
    return _number(bounds, told[0]) if told else 1


def _number(bounds: _Bounds, told: int | str | None) -> int:
    """The number that was told.

    Raises:
        InputError: it is no whole number, or less or more than a job may have.
    """
    number = whole_number(str(told))
    if number is None or number < bounds.least:
        raise InputError(
            f"The job asks for {str(told)[:40]} {bounds.what}, which is not a whole number from "
            f"{bounds.least} to {bounds.most} in the digits 0 to 9: correct the number in RELION's "
            "window and submit the job again."
        )
    if number > bounds.most:
        raise InputError(
            f"The job asks for {number} {bounds.what}, and may ask for {bounds.most} at most: "
            "correct the number in RELION's window and submit the job again."
        )
    return number
