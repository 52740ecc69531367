"""How a command is started: its container, and the launcher of its ranks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..config.site import Site
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
    settled: Resources,
    project: Path,
) -> tuple[str, ...]:
    """What stands before the program: the container, and the launcher of its ranks.

    On one node mpirun runs inside the container, so that the MPI that starts the ranks is the one
    they are linked with; over several nodes srun starts one container per rank. Ranks that were
    fitted to GPUs may get fewer on the node, where the cards are seen.
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
        kept = ["PATH", "HOME", "USER", "LANG", "PYTHONNOUSERSITE", *site.apptainer.environment]
        export = ",".join(kept)
        tasks = _rank_count("--ntasks=", ranks, fitted)
        shape = [f"--nodes={settled.nodes}", tasks, f"--export={export}"]
        on_node = [NodeWord("", '"${dispatch_task[@]}"')] if gpu else []
        return (*site.mpi.srun, *shape, *on_node, *container)
    container = exec_argv(apptainer, image.path, [project], project, gpu)
    count = _rank_count("", ranks, fitted)
    return (*container, *([*site.mpi.mpirun, "-n", count] if ranks > 1 else []))


def _rank_count(option: str, ranks: int, fitted: bool) -> str:
    """The number of ranks behind `option`; where they were fitted to GPUs, a node may lower it."""
    planned = f"{option}{ranks}"
    return NodeWord(planned, f'{option}"${{dispatch_ranks:-{ranks}}}"') if fitted else planned
