"""The words of a planned command as the job script has them: its container, its ranks, itself."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from markupsafe import Markup

from ..planning.launch import LaunchWord
from ..planning.plan import Plan, PlannedCommand
from ..relion.command import Command
from .job_folders import words_in_job_script
from .node_gpus import with_gpus_of_the_node, with_memory_left_free

__all__ = ["in_shell", "line_of", "shared_container", "words_of"]


def in_shell(prefix: Sequence[LaunchWord]) -> list[str]:
    """The prefix with what the job script settles on the node."""
    return [word.planned if word.on_node is None else Markup(word.on_node) for word in prefix]


def shared_container(plan: Plan) -> list[str]:
    """What starts a container, if the script has it once: for several commands, or because the
    keepers of MPS look from inside the ranks' container."""
    if plan.mps and plan.image:
        main = next(each for each in plan.commands if each.is_main)
        words = in_shell(main.prefix)
        begin = words.index(plan.site.apptainer.program)
        return words[begin : words.index(str(plan.image.path)) + 1]
    return _shared([in_shell(each.prefix) for each in plan.commands if each.prefix])


def _shared(prefixes: Sequence[list[str]]) -> list[str]:
    """The common beginning of all prefixes, if there are several: the script has it once."""
    if len(prefixes) < 2:
        return []
    columns = zip(*prefixes, strict=False)
    return [column[0] for column in takewhile(lambda words: len(set(words)) == 1, columns)]


def words_of(plan: Plan, planned: PlannedCommand, command: Command) -> list[Markup]:
    """The words of a command, or of its form that goes on, with what the job script's node
    settles."""
    if planned.is_main and plan.chooses_gpus:
        command = with_gpus_of_the_node(command)
    if planned.is_main and plan.goes_on and plan.goes_on.ladder.free_gpu_memory:
        command = with_memory_left_free(command)
    return words_in_job_script(command, plan.name, planned is plan.commands[-1])


def line_of(plan: Plan, planned: PlannedCommand, command: Command) -> list[str]:
    """All words of a command, or of its form that goes on, with the script's variable for the
    container that it shares."""
    prefix, container = in_shell(planned.prefix), shared_container(plan)
    for at in range(len(prefix)):
        end = at + len(container)
        if container and prefix[at:end] == container:
            prefix = [*prefix[:at], Markup('"${dispatch_container[@]}"'), *prefix[end:]]
            break
    return [*prefix, *words_of(plan, planned, command)]
