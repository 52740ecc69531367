"""How a command is started: its container, and the launcher of its ranks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ..config.scheduler import Scheduler, filled
from ..config.site import Apptainer, Site
from ..errors import ConfigError
from ..images.choice import ChosenImage
from ..images.container import WEIGHTS, exec_argv, mount_option
from ..relion.command import Command
from .placement import PlacedJob

__all__ = ["LaunchWord", "launch_line"]


class LaunchWord(NamedTuple):
    """A word before the program: a literal one, or one that the node decides.

    Attributes:
        planned: the word as the record keeps it; '' for a word that only the node knows.
        on_node: shell text that the job script has in the word's place, None for a literal word.
    """

    planned: str
    on_node: str | None = None


_TASKS_OF_THE_NODES = LaunchWord("", '"${dispatch_task[@]}"')


def launch_line(
    command: Command, placed: PlacedJob, site: Site, scheduler: Scheduler, project: Path
) -> tuple[LaunchWord, ...]:
    """What comes before the program of one of the job's commands; nothing for a job on the host.

    That is the container, and for the main command the launcher of its ranks.

    On one node mpirun runs inside the container, so that the MPI that starts the ranks is the one
    they are linked with; over several nodes the scheduler's launcher starts one container per rank.
    Ranks that were fitted to GPUs may get fewer on the node, where the cards are seen.

    Raises:
        ConfigError: the scheduler has no launcher for several nodes.
    """
    image, settled = placed.image, placed.settled
    if image is None or command.is_file_tool:
        return ()
    ranks = settled.nproc if command is placed.main else 1
    gpu = settled.ngpu > 0
    fitted = gpu and settled.fit is not None
    apptainer = _with_weights(site.apptainer, image)
    if ranks > 1 and settled.nodes > 1:
        container = exec_argv(
            apptainer, image.path, [project], project, gpu, clean_environment=False
        )
        kept = ["PATH", "HOME", "USER", "LANG", "PYTHONNOUSERSITE", *site.apptainer.let_through]
        words = {"nodes": str(settled.nodes), "environment": ",".join(kept)}
        return (
            *_literal(_launcher(site, scheduler)),
            *(
                _launch_option(each, ranks, fitted)
                for each in filled(scheduler.launch_options, **words)
            ),
            *([_TASKS_OF_THE_NODES] if gpu else []),
            *_literal(container),
        )
    container = exec_argv(apptainer, image.path, [project], project, gpu)
    if ranks == 1:
        return _literal(container)
    return (*_literal([*container, *site.mpi["mpirun"], "-n"]), _rank_count("", ranks, fitted))


def _launcher(site: Site, scheduler: Scheduler) -> list[str]:
    launch = site.launch(scheduler)
    if not launch:
        raise ConfigError(
            "This job is to run on several nodes, but its scheduler has no launcher for several "
            'nodes: ask your admin to set "nodes" of the job type to 1, or to set "launch" of the '
            'scheduler, or its "inherits" to a scheduler that has "launch".'
        )
    return launch


def _launch_option(option: str, ranks: int, fitted: bool) -> LaunchWord:
    """An option of the launcher, with the number of ranks if it ends in ``{ranks}``."""
    if option.endswith("{ranks}"):
        return _rank_count(option.removesuffix("{ranks}"), ranks, fitted)
    return LaunchWord(option)


def _with_weights(apptainer: Apptainer, image: ChosenImage) -> Apptainer:
    """The container's options with the folder of the image's weights, if the image has one."""
    if not image.weights:
        return apptainer
    mount = mount_option(str(image.weights), read_only=True, destination=WEIGHTS)
    return replace(apptainer, options=[mount, *apptainer.options])


def _literal(words: Iterable[str]) -> tuple[LaunchWord, ...]:
    return tuple(map(LaunchWord, words))


def _rank_count(option: str, ranks: int, fitted: bool) -> LaunchWord:
    """The number of ranks behind `option`; if they were fitted to GPUs, a node may lower it."""
    on_node = f'{option}"${{dispatch_ranks:-{ranks}}}"' if fitted else None
    return LaunchWord(f"{option}{ranks}", on_node)
