"""From a plan to the text of its job script: what templates see as ``job``."""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup

from .. import __version__
from ..config.endings import load_endings
from ..config.gpu_vendors import USUAL_VENDOR, VENDORS
from ..config.places import template_folders
from ..errors import TemplateError
from ..host.shell_words import quote
from ..planning.plan import Plan
from ..relion.command import Command
from .job_folders import scratch_folder, words_in_job_script
from .templates import environment, render

__all__ = ["NO_TOKEN", "job_script", "job_variables"]

NO_TOKEN = "0" * 12  # of a script that is only shown

# Known to every template, whether a site sets them or not.
_OPTIONAL = {
    "partition": None,
    "mem": None,
    "time": None,
    "scheduler_options": None,
}
_ABORT_GRACE = 120  # seconds


def job_script(plan: Plan, token: str) -> str:
    """Render the plan's template. `token` tells this submission from every other.

    Raises:
        TemplateError: the template is wrong, or a value cannot stand in a script.
        ConfigError: endings.json is wrong.
    """
    if set(str(plan.project)) & set("\n\r"):
        raise TemplateError(
            f"The project's path {str(plan.project)!r} holds a line break: rename the folder."
        )
    return render(environment(template_folders()), plan.template, job_variables(plan, token))


def job_variables(plan: Plan, token: str) -> dict[str, Any]:
    """The variables of docs/templates.md: the FMI format's names, and ours.

    Raises:
        ConfigError: endings.json is wrong.
    """
    at = next(index for index, planned in enumerate(plan.commands) if planned.is_main)
    main = plan.commands[at]
    scratch = scratch_folder(main.command)
    grace = plan.job_parameters.get("abort_grace")
    return {
        **_OPTIONAL,
        **plan.job_parameters,
        "token": token,
        "name": plan.name,
        "project": str(plan.project),
        "outfile": plan.outfile,
        "errfile": plan.errfile,
        "job_type": plan.job_type,
        "lineage": plan.lineage,
        "directives": plan.directives,
        "nproc": plan.nproc,
        "nthread": plan.nthread,
        "ngpu": plan.ngpu,
        "nodes": plan.nodes,
        "gpus_used": _gpus_used(main.command, plan.ngpu),
        "nproc_slurm": plan.job_parameters.get("nproc_slurm", plan.nproc),
        "nthread_slurm": plan.job_parameters.get("nthread_slurm", plan.nthread),
        "uses_gpu": plan.uses_gpu,
        "uses_mpi": plan.uses_mpi,
        "mps": plan.mps,
        "gpu_kind": plan.image and plan.image.build.gpu,
        "gpu_tool": _gpu_tool(plan),
        "gpu_fit": plan.gpu_fit,
        "idle_leader": bool(plan.gpu_fit.idle_leader),
        "split_halves": bool(plan.gpu_fit.split_halves),
        "lock": plan.lock,
        "abort_grace": _ABORT_GRACE if grace is None else grace,
        "scratch": scratch and Markup(scratch.shell()),
        "endings": list(load_endings().values()),
        "image": plan.image and str(plan.image.path),
        "image_state": plan.image and f"{plan.image.size} {plan.image.sif_id}",
        "environment": plan.environment,
        "reasons": [
            " ".join(sentence.split())
            for sentence in (*plan.reasons, *(f"Warning: {each}" for each in plan.warnings))
        ],
        "dispatcher_version": __version__,
        "commands": [
            {
                "program": _name(c.command),
                "prefix": [
                    word.planned if word.on_node is None else Markup(word.on_node)
                    for word in c.prefix
                ],
                "words": words_in_job_script(c.command, plan.name, c is plan.commands[-1]),
                "shell": Markup(c.command.shell()),
            }
            for c in plan.commands
        ],
        "command": quote(main.command.base_program),
        "arguments": Markup(" ".join(word.shell() for word in main.command.arguments)),
        "pre_commands": [Markup(c.command.shell()) for c in plan.commands[:at]],
        "post_commands": [Markup(c.command.shell()) for c in plan.commands[at + 1 :]],
    }


def _gpu_tool(plan: Plan) -> str | None:
    """What tells of the job's GPUs on a node."""
    kind = plan.image.build.gpu if plan.image else None
    return (VENDORS[kind] if kind else USUAL_VENDOR).memory_tool


def _gpus_used(command: Command, ngpu: int) -> int:
    """How many visible GPUs count: those asked for, or all up to the last that a site names."""
    named = re.findall(r"\d+", command.value("gpu") or "")
    return max([ngpu, *(int(number) + 1 for number in named)])


def _name(command: Command) -> Markup:
    """The program's name, quoted; ``rm`` always, which alone behind ``=`` looks like a mistake."""
    return Markup(f"'{command.program}'" if command.is_file_tool else quote(command.program))
