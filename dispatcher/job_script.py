"""From a plan to the text of its job script: what templates see as ``job``."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from . import __version__
from .errors import TemplateError
from .plan import Plan
from .shell_words import quote
from .templates import environment, render, template_folders

__all__ = ["NO_TOKEN", "job_script", "job_variables"]

NO_TOKEN = "0" * 12  # of a script that is only shown

# Known to every template, whether a site sets them or not.
_OPTIONAL = {"partition": None, "mem": None, "time": None, "scheduler_options": None}


def job_script(plan: Plan, token: str) -> str:
    """Render the plan's template. `token` tells this submission from every other.

    Raises:
        TemplateError: the template is wrong, or a value cannot stand in a script.
    """
    if set(str(plan.project)) & set("\n\r"):
        raise TemplateError(
            f"The project's path {str(plan.project)!r} holds a line break: rename the folder."
        )
    return render(environment(template_folders()), plan.template, job_variables(plan, token))


def job_variables(plan: Plan, token: str) -> dict[str, Any]:
    """The variables of docs/templates.md: the FMI format's names, and ours."""
    at = next(index for index, planned in enumerate(plan.commands) if planned.is_main)
    main = plan.commands[at]
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
        "nproc_slurm": plan.job_parameters.get("nproc_slurm", plan.nproc),
        "nthread_slurm": plan.job_parameters.get("nthread_slurm", plan.nthread),
        "uses_gpu": plan.uses_gpu,
        "uses_mpi": plan.uses_mpi,
        "mps": plan.mps,
        "lock": plan.lock,
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
                "prefix": list(c.prefix),
                "words": [Markup(word) for word in c.command.shell_words()],
                "shell": Markup(c.command.shell()),
            }
            for c in plan.commands
        ],
        "command": quote(main.command.base_program),
        "arguments": Markup(" ".join(word.shell() for word in main.command.arguments)),
        "pre_commands": [Markup(c.command.shell()) for c in plan.commands[:at]],
        "post_commands": [Markup(c.command.shell()) for c in plan.commands[at + 1 :]],
    }
