"""How a command is started: its container, and the launcher of its ranks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..config.scheduler import Scheduler, filled
from ..config.site import Site
from ..errors import ConfigError
from ..images.choice import ChosenImage
from ..images.container import WEIGHTS, exec_argv, mount_option
from ..relion.command import Command
from .resources import Resources

__all__ = ["NodeWord", "command_prefix"]


class NodeWord(str):
    """A word that the job script settles on the node: `shell` is what stands there.

    As a str it is what was planned, as the record keeps it; empty for a word that was not.
    """

    __slots__ = ("shell",)
    shell: str

    def __new__(cls, planned: str, shell: str) -> NodeWord:
        word = super().__new__(cls, planned)
        word.shell = shell
        return word


def command_prefix(
    command: Command,
    is_main: bool,
    image: ChosenImage | None,
    site: Site,
    scheduler: Scheduler,
    settled: Resources,
    project: Path,
) -> tuple[str, ...]:
    """What stands before the program: the container, and the launcher of its ranks.

    On one node mpirun runs inside the container, so that the MPI that starts the ranks is the one
    they are linked with; over several nodes the scheduler's launcher starts one container per rank.
    Ranks that were fitted to GPUs may get fewer on the node, where the cards are seen.

    Raises:
        ConfigError: the scheduler has no launcher for several nodes.
    """
    if image is None or command.is_file_tool:
        return ()
    ranks = settled.nproc if is_main else 1
    gpu = settled.ngpu > 0
    fitted = gpu and settled.fit is not None
    apptainer = site.apptainer
    if image.weights:
        mount = mount_option(str(image.weights), read_only=True, destination=WEIGHTS)
        apptainer = replace(apptainer, options=[mount, *apptainer.options])
    if ranks > 1 and settled.nodes > 1:
        container = exec_argv(
            apptainer, image.path, [project], project, gpu, clean_environment=False
        )
        kept = ["PATH", "HOME", "USER", "LANG", "PYTHONNOUSERSITE", *site.apptainer.let_through]
        words = {"nodes": str(settled.nodes), "environment": ",".join(kept)}
        shape = [
            _rank_count(option.removesuffix("{ranks}"), ranks, fitted)
            if option.endswith("{ranks}")
            else option
            for option in filled(scheduler.launch_options, **words)
        ]
        on_node = [NodeWord("", '"${dispatch_task[@]}"')] if gpu else []
        return (*_launcher(site, scheduler), *shape, *on_node, *container)
    container = exec_argv(apptainer, image.path, [project], project, gpu)
    count = _rank_count("", ranks, fitted)
    return (*container, *([*site.mpi["mpirun"], "-n", count] if ranks > 1 else []))


def _launcher(site: Site, scheduler: Scheduler) -> list[str]:
    launch = site.launch(scheduler)
    if not launch:
        raise ConfigError(
            "This job is to run on several nodes, and its scheduler has no launcher for that: have "
            'your admin set "nodes" of the job type to 1, or "launch" of the scheduler.'
        )
    return launch


def _rank_count(option: str, ranks: int, fitted: bool) -> str:
    """The number of ranks behind `option`; where they were fitted to GPUs, a node may lower it."""
    planned = f"{option}{ranks}"
    return NodeWord(planned, f'{option}"${{dispatch_ranks:-{ranks}}}"') if fitted else planned
