"""The plan: everything decided for one submission, and why. A value without side effects."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import __version__
from ..config.scheduler import template_folders_of
from ..config.site import Site
from ..images.choice import ChosenImage
from ..ranks.gpu_fit import GpuFit
from ..relion.command import Command
from ..units import count
from .decisions import Decisions
from .goes_on import FurtherRuns
from .launch import LaunchWord

if TYPE_CHECKING:  # few jobs go on
    from ..relion.continuation import Continuation

__all__ = ["Plan", "PlannedCommand"]


class PlannedCommand(NamedTuple):
    """A command as it will run: `prefix` starts the command's container and ranks.

    The main command is the one that decided the job type and was rewritten. `continuation` is what
    runs after the same prefix if the job goes on; None if it does not, or if this command begins
    anew.
    """

    command: Command
    prefix: tuple[LaunchWord, ...]
    is_main: bool
    continuation: Continuation | None = None

    def as_json(self) -> dict[str, Any]:
        """kind, program, argv (before expansion on the node), prefix, the command as shell text,
        that of its form that goes on, and RELION's own text of shell lines."""
        described: dict[str, Any] = {
            "kind": self.command.kind,
            "program": self.command.program,
            "argv": self.command.argv,
            "prefix": [word.planned for word in self.prefix if word.planned],
            "shell": self.command.shell(),
        }
        if self.continuation:
            described["continuation"] = self.continuation.command.shell()
        if self.command.kind == "shell":
            described["text"] = self.command.text
        return described


class Plan(NamedTuple):
    """What the dispatcher will do with one submission.

    Attributes:
        site: what site.json says, as it holds on the job's partition; templates see it, `as_json`
            leaves it out.
        name: the job, ``Refine3D/job019``.
        project: the project's folder, absolute.
        script: the job script to be written, relative to the project.
        job_type, lineage: the type that matched, and its names from the base to the leaf.
        template: the Jinja template's name.
        waiting_program: which waits for the job's end: RELION, or the CCP-EM PIPELINER.
        outfile, errfile: RELION's, relative to the project.
        label: RELION's job type as job.star says it, None if not known.
        scheduler: the scheduler's name.
        directives: the folder of job_template/schedulers/ that serves this scheduler: its
            directives, watcher and functions.
        submit_command: the full argument list.
        lock: the file whose lock the job script waits for; None unless jobs run one at a time.
        image: the image chosen, None for jobs that run on the host.
        nproc, nthread, ngpu, nodes: ranks, threads per rank, GPUs per node, nodes.
        uses_mpi: whether the job script starts the main command as several ranks.
        chooses_gpus: whether the main command's devices are the plan's, and a node may take fewer;
            not if the job type or the script's template has settled them.
        mps: whether NVIDIA's multi-process service is started around the ranks.
        gpu_fit: how GPU memory bounded the ranks, or why nothing was computed.
        job_parameters: all that templates see from the configuration.
        environment: names of the variables that go into the container if they are set.
        commands, original_commands: as they will run, and as RELION wrote them.
        extra_fields: what the site's own fields in RELION's window have: ``{"qsub_extra1": "1"}``.
        reasons: one sentence per decision.
        warnings: sentences about what was not as expected but did not stop the job.
        cores_of_node: as the site describes the nodes; None if it does not.
        ranks_stay: the script's template starts ``nproc`` ranks, however few or small the GPUs of a
            node are.
        window: what was typed into the site's fields of RELION's window, by their names.
        goes_on: after which ends the job goes on by itself; None if it does not.
        decisions: the facts behind the reasons, None if they are not known; the record has them,
            `as_json` does not.
    """

    site: Site
    name: str
    project: Path
    script: str
    waiting_program: str
    outfile: str
    errfile: str
    label: str | None
    job_type: str
    lineage: tuple[str, ...]
    template: str
    scheduler: str
    directives: str
    submit_command: tuple[str, ...]
    lock: str | None
    image: ChosenImage | None
    nproc: int
    nthread: int
    ngpu: int
    nodes: int
    uses_mpi: bool
    chooses_gpus: bool
    mps: bool
    gpu_fit: GpuFit
    job_parameters: Mapping[str, Any]
    environment: tuple[str, ...]
    commands: tuple[PlannedCommand, ...]
    original_commands: tuple[str, ...]
    reasons: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    extra_fields: Mapping[str, str] = {}
    cores_of_node: int | None = None
    ranks_stay: bool = False
    window: Mapping[str, str] = {}
    goes_on: FurtherRuns | None = None
    decisions: Decisions | None = Decisions()

    @property
    def template_folders(self) -> list[str]:
        """`directives`, and the folders in which is looked for what that one lacks."""
        return template_folders_of(self.scheduler, self.site.schedulers)

    @property
    def uses_gpu(self) -> bool:
        """Whether the job is given GPUs."""
        return self.ngpu > 0

    @property
    def cores_used(self) -> int:
        """The cores that the job takes of each of its nodes."""
        return -(-self.nproc // self.nodes) * self.nthread

    @property
    def summary(self) -> tuple[str, ...]:
        """The plan in three lines: job type, what the job gets, image."""
        image = self.image
        return (
            f"{self.name}: {self.job_type}",
            ", ".join(filter(None, self._resources)),
            f"image {image.name} {image.version} ({image.variant})" if image else self._on_the_host,
        )

    @property
    def _resources(self) -> tuple[str, ...]:
        """Partition, ranks and threads, GPUs, memory, time, and the cores used of a node."""
        partition, mem, time = (
            self.job_parameters.get(key) for key in ("partition", "mem", "time")
        )
        has, used = self.cores_of_node, self.cores_used
        cores = f"{used} of {count(has, 'core')}" if has else count(used, "core")
        each = " of each node" if self.nodes > 1 else ""
        return (
            self._where(partition) if partition else "",
            f"{self.nodes} nodes" if self.nodes > 1 else "",
            f"{count(self.nproc, 'rank')} x {count(self.nthread, 'thread')}",
            (count(self.ngpu, "GPU") if self.ngpu else "no GPU") + each,
            f"{mem} of memory{each}" if mem else "",
            f"time {time}" if time else "",
            cores + each,
        )

    def _where(self, partition: str) -> str:
        """A job that runs here is in no partition; one may describe this machine."""
        if not self.site.schedulers[self.scheduler].detached:
            return f"partition {partition}"
        described = partition in self.site.partitions
        return f"this machine, described as partition {partition}" if described else ""

    @property
    def _on_the_host(self) -> str:
        main = next(command for command in self.commands if command.is_main)
        if not main.prefix:
            return "on the host"
        return f"on the host, where {main.prefix[0].planned} starts its ranks"

    def as_json(self) -> dict[str, Any]:
        """The plan as one JSON object."""
        image = self.image and {
            "name": self.image.name,
            "version": self.image.version,
            "variant": self.image.variant,
            "path": str(self.image.path),
            "sha256": self.image.sha256,
            "sif_id": self.image.sif_id,
            "size": self.image.size,
        }
        return {
            "dispatcher_version": __version__,
            "job": self.name,
            "project": str(self.project),
            "label": self.label,
            "job_type": self.job_type,
            "lineage": list(self.lineage),
            "template": self.template,
            "scheduler": self.scheduler,
            "submit_command": list(self.submit_command),
            "image": image,
            "uses_gpu": self.uses_gpu,
            "uses_mpi": self.uses_mpi,
            "nproc": self.nproc,
            "nthread": self.nthread,
            "ngpu": self.ngpu,
            "nodes": self.nodes,
            "mps": self.mps,
            "job_parameters": dict(self.job_parameters),
            "environment": list(self.environment),
            "commands": [command.as_json() for command in self.commands],
            "original_commands": list(self.original_commands),
            "extra_fields": dict(self.extra_fields),
            "window": dict(self.window),
            "goes_on": self.goes_on and self.goes_on.as_json(),
            "gpu_fit": self.gpu_fit.as_json(),
            "reasons": list(self.reasons),
            "warnings": list(self.warnings),
        }
