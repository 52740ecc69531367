"""How a command is started: its container, and the launcher of its ranks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, NoReturn

from ..config.apptainer_variables import LOADER, is_apptainers
from ..config.scheduler import Scheduler, filled
from ..config.site import Site
from ..errors import ConfigError
from ..images.container import exec_argv
from ..relion.command import Command
from .placed_job import PlacedJob
from .scratch import scratch_of

__all__ = ["LaunchWord", "launch_line", "launch_options"]


class LaunchWord(NamedTuple):
    """A word before the program: a literal one, or one that the node decides.

    Attributes:
        planned: the word as the record keeps it; '' for a word that only the node knows.
        on_node: shell text that the job script has in the word's place, None for a literal word.
    """

    planned: str
    on_node: str | None = None


_TASKS_OF_THE_NODES = LaunchWord("", '"${dispatch_task[@]}"')
_SCRATCH_MOUNTS = LaunchWord("", '"${dispatch_scratch_mounts[@]}"')


def launch_line(
    command: Command,
    placed: PlacedJob,
    site: Site,
    scheduler: Scheduler,
    project: Path,
    own_template: bool = False,
    may_be_fewer: bool = False,
) -> tuple[LaunchWord, ...]:
    """What comes before the program of one of the job's commands.

    That is the container, if the job has an image, and for the main command the launcher of its
    ranks. Nothing comes before RELION's own file commands, and before a single process on the host,
    such as the Pipeliner's job runner, which starts the ranks by itself.

    On one node mpirun runs inside the container, so that the MPI that starts the ranks is the one
    they are linked with; over several nodes the scheduler's launcher starts one container per rank.
    On the host the same launchers start the ranks themselves. Ranks that were fitted to GPUs may
    get fewer on the node, where the cards are seen; others if they `may_be_fewer` in a later run.

    With `own_template` the job's template is the site's own, and may start the ranks by itself: a
    job on the host then needs no launcher of ours.

    Raises:
        ConfigError: the site, or the scheduler for several nodes, has no launcher.
    """
    if command.is_file_tool:
        return ()
    settled = placed.settled
    ranks = settled.nproc if command is placed.main and not settled.program_starts_ranks else 1
    by_scheduler = ranks > 1 and settled.nodes > 1
    container = _container(placed, site, project, clean_environment=not by_scheduler)
    if ranks == 1:
        return container
    launcher = site.launch(scheduler) if by_scheduler else site.mpi["mpirun"]
    if not launcher:
        if own_template and placed.image is None:
            return ()
        _refuse(by_scheduler)
    fitted = may_be_fewer or (settled.ngpu > 0 and settled.fit is not None)
    if not by_scheduler:
        return (*container, *_literal([*launcher, "-n"]), _rank_count("", ranks, fitted))
    options = launch_options(site, scheduler, settled.nodes, on_host=placed.image is None)
    return (
        *_literal(launcher),
        *(_launch_option(each, ranks, fitted) for each in options),
        *([_TASKS_OF_THE_NODES] if settled.ngpu else []),
        *container,
    )


def _refuse(by_scheduler: bool) -> NoReturn:
    """Say that there is no launcher, and what to set."""
    if by_scheduler:
        raise ConfigError(
            "This job is to run on several nodes, but its scheduler has no launcher for several "
            'nodes: ask your admin to set "nodes" of the job type to 1, or to set "launch" of the '
            'scheduler, or its "inherits" to a scheduler that has "launch".'
        )
    raise ConfigError(
        'This job is to run as several ranks, but "mpi.mpirun" in site.json is empty, so that '
        'nothing starts the ranks: ask your admin to name the launcher there ("mpirun": '
        '["mpirun"]), or to set "nproc" of the job type to 1.'
    )


def _container(
    placed: PlacedJob, site: Site, project: Path, clean_environment: bool
) -> tuple[LaunchWord, ...]:
    """What starts the job's image; nothing for a job on the host."""
    image = placed.image
    if image is None:
        return ()
    gpu, weights = placed.settled.ngpu > 0, image.weights
    words = exec_argv(
        site.apptainer, image.path, [project], project, gpu, clean_environment, weights
    )
    *options, file = _literal(words)
    return (*options, *([_SCRATCH_MOUNTS] if scratch_of(placed.main) else []), file)


def launch_options(
    site: Site, scheduler: Scheduler, nodes: int, *, on_host: bool, also: Iterable[str] = ()
) -> list[str]:
    """The options of the scheduler's launcher; one of them ends in ``{ranks}``.

    The one that names variables, those of the site and `also`, keeps all others from a container.
    A program on the host needs what the site's modules have set, so it gets no such option.
    """
    options = scheduler.launch_options
    if on_host:
        options = [each for each in options if "{environment}" not in each]
    let_through = [
        f"APPTAINERENV_{name}" if name in LOADER else name
        for name in dict.fromkeys([*site.apptainer.let_through, *also])
    ]
    listed = filter(is_apptainers, site.apptainer.environment)
    kept = ["PATH", "HOME", "USER", "LANG", "PYTHONNOUSERSITE", *let_through, *listed]
    return filled(options, nodes=str(nodes), environment=",".join(kept))


def _launch_option(option: str, ranks: int, fitted: bool) -> LaunchWord:
    """An option of the launcher, with the number of ranks if it ends in ``{ranks}``."""
    if option.endswith("{ranks}"):
        return _rank_count(option.removesuffix("{ranks}"), ranks, fitted)
    return LaunchWord(option)


def _literal(words: Iterable[str]) -> tuple[LaunchWord, ...]:
    return tuple(map(LaunchWord, words))


def _rank_count(option: str, ranks: int, fitted: bool) -> LaunchWord:
    """The number of ranks behind `option`; if they are `fitted`, the job script may lower it."""
    on_node = f'{option}"${{dispatch_ranks:-{ranks}}}"' if fitted else None
    return LaunchWord(f"{option}{ranks}", on_node)
