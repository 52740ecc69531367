"""What a job script takes from its node, or from earlier runs: the number of ranks, and the values
of GPU options."""

from __future__ import annotations

import re
from dataclasses import replace

from ..host.shell_words import Variable, Word
from ..planning.plan import Plan
from ..ranks import left_free
from ..relion.command import Command
from ..relion.programs import lookup

__all__ = ["with_gpus_of_the_node", "with_memory_left_free", "with_what_stays"]

_TABLE = "dispatch_rank_table="  # of a script that looks at its node's GPUs


def with_gpus_of_the_node(command: Command) -> Command:
    """The command with ``--gpu "${dispatch_devices:-0:1:2:3}"``: the plan's, or fewer."""
    option = Word.literal(lookup(command.program).gpu or "")
    words = list(command.arguments)
    at = words.index(option) + 1
    words[at] = Word((Variable("dispatch_devices", quoted=True, default=str(words[at])),))
    return replace(command, arguments=tuple(words))


def with_memory_left_free(command: Command) -> Command:
    """The command with ``--free_gpu_memory "${dispatch_least_free:-0}"``: the plan's, or more in a
    run behind one that has filled a GPU. RELION takes 0 for none."""
    planned = command.value(left_free.OPTION) or "0"
    value = Word((Variable("dispatch_least_free", quoted=True, default=planned),))
    return command.with_option(f"--{left_free.OPTION}", (value,))


def with_what_stays(plan: Plan, script: str) -> Plan:
    """The plan with what its script has settled, and the node can no longer change.

    A template of the site's own may start the planned number of ranks (``mpirun -n {{ job.nproc
    }}``), or print the devices as planned (``job.arguments``). What our launcher and
    ``command.words`` print asks the node.
    """
    if not plan.ngpu or _TABLE not in script:
        return plan
    text = "\n".join(line for line in script.split("\n") if not line.lstrip().startswith("#"))
    reasons = []
    if ranks_stay := plan.uses_mpi and not re.search(r"\$\{?dispatch_ranks\b", text):
        reasons.append(
            f"Template {plan.template} starts {plan.nproc} ranks on any node, so a node with fewer "
            "GPUs than planned, or with GPUs too small for these ranks, stops the job: for fewer "
            'ranks there, let the template start "${dispatch_ranks:-{{ job.nproc }}}" of them, and '
            "print {{ command.words | lines }}."
        )
    devices_stay = plan.chooses_gpus and not re.search(r"\$\{?dispatch_devices\b", text)
    if devices_stay and not ranks_stay:
        reasons.append(
            f"Template {plan.template} has the devices as planned, so a node with fewer GPUs stops "
            "the job: to use fewer there, print {{ command.words | lines }} in the template."
        )
    if not reasons:
        return plan
    return plan._replace(
        ranks_stay=ranks_stay, chooses_gpus=False, reasons=(*plan.reasons, *reasons)
    )
