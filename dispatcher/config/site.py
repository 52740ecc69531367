"""The site: the shipped ``site.json``, changed key by key by the site's own file.

docs/site.md describes each key and shows a site in fifteen lines.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..host.hidden_variables import Hidden
from .accounts import AccountRule, Mail, check_mail, check_rule
from .apptainer_variables import hidden_from_apptainer, is_apptainers
from .goes_on import GoesOnSetting, check_goes_on
from .gpu_constants import HardwareConstants
from .gpu_vendors import GpuName, GpuVendor, let_through_by
from .inherited import passing_on
from .job_types import Scalar
from .json_files import load, merge, nearest, read_json, strict
from .partition import NodeKind, Partition, Scratch
from .partition_check import check_partition, check_scratch
from .places import config_path, own_path, shipped_folder, site_folder
from .scheduler import Scheduler
from .scheduler_files import read_scheduler_files
from .scheduler_mistakes import mistakes
from .where import Where
from .window import Window, check_window

__all__ = ["Apptainer", "NodeKind", "Partition", "Site", "checked_site", "load_site"]


@strict
class Apptainer:
    """How containers are started.

    Attributes:
        program: ``apptainer``, or its full path.
        options: further options of ``apptainer exec``.
        gpu_option: what lets GPUs through, such as ``--nv``; it tells whose GPUs the site has.
        bind: folders bound into every container beside the project and the user's home.
        environment: names of variables let through into the container, beside those of its GPUs;
            of Apptainer's own (``APPTAINER_BINDPATH``), let through to Apptainer.
        signed_by: fingerprints of keys, one of which must have signed an image; empty for no such
            policy.
    """

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
                    "a key's fingerprint must have 40 or 64 digits (0-9 and A-F), as `apptainer "
                    f"key list` prints it; found {fingerprint!r}"
                )

    @property
    def gpu_vendor(self) -> GpuVendor:
        """The maker of the GPUs that the site's option lets through."""
        return let_through_by(self.gpu_option)

    @property
    def gpu_kind(self) -> GpuName:
        """The name of that maker."""
        return self.gpu_vendor.name

    @property
    def let_through(self) -> list[str]:
        """The variables that the container sees: the site's, and those of its GPUs."""
        vendor = self.gpu_vendor
        listed = [name for name in self.environment if not is_apptainers(name)]
        return list(dict.fromkeys([*listed, *vendor.variables, *vendor.settings]))

    @property
    def for_apptainer(self) -> list[str]:
        """Of Apptainer's own variables those that the site lets through to it."""
        return list(filter(is_apptainers, self.environment))

    @property
    def hidden(self) -> Hidden:
        """The variables of the user's that Apptainer does not see."""
        return hidden_from_apptainer(self.environment)


@strict
class Site:
    """Everything about a site that is neither a job type nor an image.

    Attributes:
        apptainer: how containers are started.
        schedulers: by their names, what is to be changed of a shipped one, or all of another one.
        partitions: by the scheduler's names of them, what their nodes are and who may use them.
        mpi: how ranks are started: ``mpirun`` inside one container on one node. A scheduler's own
            launcher for several nodes may be named here as well, with its arguments.
        scheduler: the name in `schedulers` that jobs go to unless their type names another.
        job_parameters: per job type, in place of those keys in dispatch_config.json.
        accounts: rules on who pays, in order: of the rules that fit a job, the first that names an
            account, or a quality of service, does so; directives of all of them hold.
        mail: who gets a mail from the scheduler, and when.
        scratch: what programs have on each node to keep a copy of their input; None for nothing.
        mps: start NVIDIA's multi-process service where several ranks share a GPU.
        watch_gpus: note in each job's record how its GPUs were used.
        goes_on: whether jobs go on by themselves after an end from outside, and how.
        gpu_constants: what a card takes, if not as shipped; `gpu calibrate` measures it.
        expected_resolution: the part of Nyquist's frequency that classifications and VDAM reach, as
            the site expects, where they do not fit at their full box; 1 to expect all.
        image: the image of all job types that name none; empty or None for the host.
        projects: the folder in which the projects that use this site are noted, if it exists;
            relative paths start at the site's folder.
        window: what RELION's window has beside its own fields.
    """

    apptainer: Apptainer = field(default_factory=Apptainer)
    mpi: dict[str, list[str]] = field(
        default_factory=lambda: {"mpirun": ["mpirun", "--bind-to", "none", "--oversubscribe"]}
    )
    scheduler: str = "local"
    schedulers: dict[str, Scheduler] = field(default_factory=dict)
    partitions: dict[str, Partition] = field(default_factory=dict)
    job_parameters: dict[str, dict[str, Scalar | list[Scalar] | None]] = field(default_factory=dict)
    accounts: list[AccountRule] = field(default_factory=list)
    mail: Mail = field(default_factory=Mail)
    scratch: Scratch | None = None
    mps: bool = True
    watch_gpus: bool = False
    goes_on: GoesOnSetting | bool = False
    gpu_constants: HardwareConstants = field(default_factory=HardwareConstants)
    expected_resolution: float = 2 / 3
    image: str | None = None
    projects: str = "projects"
    window: Window = field(default_factory=Window)

    @property
    def shares_through_mps(self) -> bool:
        """Whether ranks that share a GPU do so through NVIDIA's multi-process service."""
        return self.mps and self.apptainer.gpu_vendor.mps

    def on(self, partition: Partition) -> Site:
        """The site as it is on that partition, which may differ in a few keys."""
        gpu_option = partition.gpu_option
        apptainer = replace(self.apptainer, gpu_option=gpu_option) if gpu_option else self.apptainer
        return replace(
            self,
            mps=self.mps if partition.mps is None else partition.mps,
            scratch=partition.scratch or self.scratch,
            apptainer=apptainer,
        )

    def launch(self, scheduler: Scheduler) -> list[str]:
        """What starts ranks on several nodes; empty if the scheduler has nothing for that."""
        return self.mpi.get(_launcher(scheduler), scheduler.launch)


def _launcher(scheduler: Scheduler) -> str:
    return Path(scheduler.launch[0]).name if scheduler.launch else ""


def load_site() -> Site:
    """Load the shipped site.json, changed by the site's own.

    Raises:
        ConfigError: a file cannot be read, or says something that is not known or not possible.
    """
    content: dict[str, Any] = {}
    if own := own_path("site.json"):
        content = read_json(own)
    elif os.environ.get("RELION_DISPATCH_SITE") and not site_folder().is_dir():
        raise ConfigError(
            f"RELION_DISPATCH_SITE names {site_folder()}, which is not a folder: "
            "correct the variable."
        )
    elif site_folder().is_symlink() and not site_folder().exists():
        raise ConfigError(
            f"{site_folder()} is a link to {site_folder().readlink()}, which does "
            "not exist: correct the link."
        )
    return checked_site(content, config_path("site.json"))


def checked_site(own: dict[str, Any], path: Path) -> Site:
    """The site of the shipped site.json, changed by `own`, which was read from `path`.

    Raises:
        ConfigError: it says something that is not known or not possible.
    """
    content = merge(read_json(shipped_folder() / "config" / "site.json"), own)
    in_site_json = content.get("schedulers", {})
    files = read_scheduler_files(in_site_json if isinstance(in_site_json, dict) else {}, path)
    if isinstance(in_site_json, dict):
        content["schedulers"] = files.merged()

    def place(steps: Sequence[str]) -> str:
        if len(steps) > 1 and steps[0] == "schedulers":
            return str(files.place(steps[1], steps[2:]))
        return str(Where(path, ".".join(steps)))

    def check(site: Site) -> None:
        for name, scheduler in site.schedulers.items():
            for key, mistake in mistakes(scheduler):
                raise ConfigError(f"{files.place(name, key.split('.'))}{mistake}")
        _check(site, Where(path))

    site = load(Site, content, "", place, check)
    passed = passing_on(site.schedulers, site.apptainer.environment)
    return replace(site, schedulers=passed)


def _check(site: Site, where: Where) -> None:
    if site.scheduler not in site.schedulers:
        raise ConfigError(
            f'{where.at("scheduler")}: there is no scheduler "{site.scheduler}"'
            f"{nearest(site.scheduler, list(site.schedulers))}"
        )
    for name in site.apptainer.environment:
        if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
            raise ConfigError(
                f'{where.at("apptainer.environment")}: "{name}" is not a name of a variable'
            )
    if not 0.1 <= site.expected_resolution <= 1:
        raise ConfigError(
            f"{where.at('expected_resolution')}: expected a part of Nyquist's frequency, from 0.1 "
            f"to 1, found {site.expected_resolution:g}"
        )
    launchers = ["mpirun", *filter(None, map(_launcher, site.schedulers.values()))]
    for name in site.mpi:
        if name not in launchers:
            raise ConfigError(f"{where.at('mpi').at(name)}: unknown key{nearest(name, launchers)}")
    for name, partition in site.partitions.items():
        check_partition(partition, where.at("partitions").at(name))
    for number, rule in enumerate(site.accounts):
        check_rule(rule, list(site.partitions), where.at(f"accounts.{number}"))
    check_mail(site.mail, where.at("mail"))
    check_window(site.window, where.at("window"))
    check_goes_on(site.goes_on, where.at("goes_on"))
    if site.scratch:
        check_scratch(site.scratch, where.at("scratch"))
