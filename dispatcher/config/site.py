"""The site: ``site.json`` as shipped, with the site's own file laid upon it key by key.

docs/site.md describes each key and shows a site in fifteen lines.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Any, Literal

from ..errors import ConfigError
from ..units import bytes_of
from .gpu_constants import HardwareConstants
from .job_types import Scalar
from .json_files import load, merge, nearest, read_json
from .places import config_path, own_path, shipped_folder, site_folder
from .scheduler import Scheduler, mistakes

__all__ = ["Apptainer", "Mpi", "Partition", "Site", "checked_site", "load_site"]


@dataclass(frozen=True, kw_only=True)
class Apptainer:
    """How containers are started.

    Attributes:
        program: ``apptainer``, or its full path.
        options: further options of ``apptainer exec``.
        gpu_option: what lets GPUs through: ``--nv``, ``--nvccli`` or ``--rocm``.
        bind: folders bound into every container beside the project and the user's home.
        environment: names of variables let through into the container.
        signed_by: fingerprints of keys, one of which must have signed an image; empty for no such
            policy.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    program: str = "apptainer"
    options: list[str] = field(default_factory=list)
    gpu_option: str = "--nv"
    bind: list[str] = field(default_factory=list)
    environment: list[str] = field(default_factory=list)
    signed_by: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for fingerprint in self.signed_by:
            if not re.fullmatch("([0-9A-F]{40}|[0-9A-F]{64})", fingerprint):
                raise ValueError(
                    "a key's fingerprint has 40 or 64 digits out of 0-9 and A-F, as `apptainer key "
                    f"list` prints it, not {fingerprint!r}"
                )

    @property
    def gpu_kind(self) -> Literal["nvidia", "amd"]:
        """The kind of GPU that the site's option lets through: "nvidia" or "amd"."""
        return "amd" if "rocm" in self.gpu_option else "nvidia"


@dataclass(frozen=True, kw_only=True)
class Mpi:
    """How ranks are started: inside one container on one node, by srun on several."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    mpirun: list[str] = field(
        default_factory=lambda: ["mpirun", "--bind-to", "none", "--oversubscribe"]
    )
    srun: list[str] = field(default_factory=lambda: ["srun", "--mpi=pmix"])


@dataclass(frozen=True, kw_only=True)
class Partition:
    """The shape of a partition's nodes; what is unset is not looked at.

    Attributes:
        cores: per node.
        memory: host memory per node, bytes or "250G".
        gpus: per node; 0 means that GPU jobs run on the CPU there.
        gpu_memory: per GPU, bytes or "32G".
        ranks_per_gpu: the most that may share one.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    cores: int | None = None
    memory: int | str | None = None
    gpus: int | None = None
    gpu_memory: int | str | None = None
    ranks_per_gpu: int | None = None


@dataclass(frozen=True, kw_only=True)
class Site:
    """Everything about a site that is neither a job type nor an image.

    Attributes:
        scheduler: the name in `schedulers` that jobs go to unless their type names another.
        job_parameters: per job type, laid upon the job_parameters of dispatch_config.json.
        mps: start NVIDIA's multi-process service where several ranks share a GPU.
        watch_gpus: note in each job's record how its GPUs were used.
        gpu_constants: what a card takes, where it is not as shipped; `gpu calibrate` measures it.
        projects: the folder in which the projects that use this site are noted, if it exists;
            relative paths start at the site's folder.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    apptainer: Apptainer = field(default_factory=Apptainer)
    mpi: Mpi = field(default_factory=Mpi)
    scheduler: str = "local"
    schedulers: dict[str, Scheduler] = field(default_factory=dict)
    partitions: dict[str, Partition] = field(default_factory=dict)
    job_parameters: dict[str, dict[str, Scalar | list[Scalar] | None]] = field(default_factory=dict)
    mps: bool = True
    watch_gpus: bool = False
    gpu_constants: HardwareConstants = field(default_factory=HardwareConstants)
    projects: str = "projects"

    @property
    def shares_through_mps(self) -> bool:
        """Whether ranks that share a GPU do so through NVIDIA's multi-process service."""
        return self.mps and self.apptainer.gpu_kind == "nvidia"


def load_site() -> Site:
    """Load the shipped site.json with the site's own laid upon it.

    Raises:
        ConfigError: a file cannot be read, or says something that is not known or not possible.
    """
    content: dict[str, Any] = {}
    if own := own_path("site.json"):
        content = read_json(own)
    elif os.environ.get("RELION_DISPATCH_SITE") and not site_folder().is_dir():
        raise ConfigError(f"RELION_DISPATCH_SITE names {site_folder()}, which is no folder.")
    elif site_folder().is_symlink() and not site_folder().exists():
        raise ConfigError(f"{site_folder()} is a link to {site_folder().readlink()}: not there.")
    return checked_site(content, str(config_path("site.json")))


def checked_site(own: dict[str, Any], where: str) -> Site:
    """The site that the shipped site.json makes with `own` laid upon it; `where` that stands.

    Raises:
        ConfigError: it says something that is not known or not possible.
    """
    content = merge(read_json(shipped_folder() / "config" / "site.json"), own)
    site = load(Site, content, where, lambda steps: f'key "{".".join(steps)}"')
    _check(site, where)
    return site


def _check(site: Site, where: str) -> None:
    if site.scheduler not in site.schedulers:
        raise ConfigError(
            f'{where}: key "scheduler": there is no scheduler "{site.scheduler}" in "schedulers"'
            f"{nearest(site.scheduler, list(site.schedulers))}"
        )
    for name in site.apptainer.environment:
        if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
            raise ConfigError(
                f'{where}: key "apptainer.environment": "{name}" is no name of a variable'
            )
    for name, scheduler in site.schedulers.items():
        for key, mistake in mistakes(scheduler):
            raise ConfigError(f'{where}: key "schedulers.{name}.{key}"{mistake}')
    for name, partition in site.partitions.items():
        for key in ("memory", "gpu_memory"):
            bytes_of(getattr(partition, key), f'{where}: key "partitions.{name}.{key}"')
        for key, least in (("cores", 1), ("gpus", 0), ("ranks_per_gpu", 1)):
            number = getattr(partition, key)
            if number is not None and number < least:
                raise ConfigError(
                    f'{where}: key "partitions.{name}.{key}": expected a whole number, at least '
                    f"{least}, found {number}"
                )
