"""From a plan to the text of its job script: what templates see as ``job``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from .. import __version__
from ..config.inherited import SHELL_FUNCTIONS
from ..config.places import template_folders
from ..errors import TemplateError
from ..host.shell_words import quote
from ..images.container import Bind, binds
from ..planning.gpu_option import gpu_option
from ..planning.memory_request import memory_asked
from ..planning.node_table import node_table
from ..planning.plan import Plan
from ..planning.scratch import scratch_of
from ..ranks.devices import gpus_named
from ..relion.command import Command
from ..units import seconds_of
from .command_lines import in_shell, line_of, shared_container, words_of
from .library import Library, read_library, shell_functions
from .scheduler_templates import scheduler_templates
from .templates import environment, render

if TYPE_CHECKING:  # few jobs go on
    from ..relion.continuation import Continuation

__all__ = ["NO_TOKEN", "TEMPLATE_PARAMETERS", "job_script", "job_variables"]

NO_TOKEN = "0" * 12  # of a script that is only shown

# The job_parameters that every template may use, with what holds if they are not set, or null.
TEMPLATE_PARAMETERS = {
    "abort_grace": 120,  # seconds
    "partition": None,
    "mem": None,
    "time": None,
    "scheduler_options": None,
    "account": None,
    "qos": None,
    "constraint": None,
    "gpu_type": None,
    "resources": None,
    "mail_on": None,
    "mail_to": None,
}


def job_script(plan: Plan, token: str, library: Library | None = None) -> str:
    """Render the plan's template. `token` tells this submission from every other.

    `library` is the file that will be beside the script; it is read now if not given.

    Raises:
        TemplateError: the template is wrong, or a script cannot contain a value.
        ConfigError: endings.json is wrong.
    """
    if any(ord(character) < 0x20 or character == "\x7f" for character in str(plan.project)):
        raise TemplateError(
            f"The project's path {str(plan.project)!r} contains a line break or another control "
            "character: rename the folder."
        )
    variables = job_variables(plan, token, library)
    return _with_epilogue(render(environment(template_folders()), plan.template, variables))


def _with_epilogue(script: str) -> str:
    """The script with the name under which the library calls its epilogue: a site's own base.sh.j2
    of 0.2.0 has another."""
    if "dispatch_epilogue()" in script:
        return script
    calls = r"dispatch_epilogue() { epilogue; }\n\g<0>"
    return re.sub(r"^epilogue\(\) \{", calls, script, flags=re.MULTILINE)


def job_variables(plan: Plan, token: str, library: Library | None = None) -> dict[str, Any]:
    """The variables of docs/templates.md: the FMI format's names, and ours.

    Raises:
        ConfigError: endings.json is wrong.
    """
    commands = plan.commands
    at = next(index for index, planned in enumerate(commands) if planned.is_main)
    main = commands[at]
    scratch = scratch_of(main.command)
    shared = scratch.folder.shell() if scratch and scratch.shared else None
    parameters = plan.job_parameters
    unset = {
        name: value for name, value in TEMPLATE_PARAMETERS.items() if parameters.get(name) is None
    }
    library = library or read_library(*plan.template_folders)
    vendor = plan.site.apptainer.gpu_vendor
    scheduler = plan.site.schedulers[plan.scheduler]
    memory = memory_asked(parameters, scheduler.memory_per, plan.nproc, plan.nthread, plan.nodes)
    return {
        **parameters,
        **unset,
        "seconds": seconds_of(str(parameters.get("time"))),
        "memory_per": memory.per,
        "memory_each": memory.each,
        "memory_mib": memory.mebibytes,
        "site": plan.site,
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
        # All up to the last that a site names, or those asked for.
        "gpus_used": max(plan.ngpu, gpus_named(main.command, plan.nproc)),
        "nproc_slurm": parameters.get("nproc_slurm", plan.nproc),
        "nthread_slurm": parameters.get("nthread_slurm", plan.nthread),
        "uses_gpu": plan.uses_gpu,
        "uses_mpi": plan.uses_mpi,
        "mps": plan.mps,
        "gpu_kind": plan.image and plan.image.build.gpu,
        "gpu_fit": plan.gpu_fit._asdict(),
        "idle_leader": bool(plan.gpu_fit.idle_leader),
        "split_halves": bool(plan.gpu_fit.split_halves),
        "lock": plan.lock,
        "names": dict(scheduler.names),
        "gpus_each": 1 if plan.ngpu and scheduler.gpus_per == "core" else plan.ngpu,
        "scratch": shared and Markup(shared),
        "endings": list(library.endings),
        "image": plan.image and str(plan.image.path),
        "image_state": plan.image and f"{plan.image.size} {plan.image.sif_id}",
        "environment": plan.environment,
        "extra_fields": dict(plan.extra_fields),
        "window": dict(plan.window),
        "reasons": [
            " ".join(sentence.split())
            for sentence in (*plan.reasons, *(f"Warning: {each}" for each in plan.warnings))
        ],
        "dispatcher_version": __version__,
        # Under one name, so that these hide no parameter of a site's.
        "dispatch": {
            "waiting_program": plan.waiting_program,
            "own_warning": _own_warning(plan),
            **scheduler_templates(plan.template_folders),
            "container": shared_container(plan),
            "gpu_option": gpu_option(plan.site.schedulers[plan.scheduler], parameters),
            "gpu_tool": vendor.memory_tool,
            "gpu_lists": list(vendor.lists),
            "gpu_settings": [f"{name}={value}" for name, value in vendor.settings.items()]
            if plan.ngpu
            else [],
            "rank_table": node_table(plan),
            "library_sha256": library.sha256,
            "shell_functions": list(SHELL_FUNCTIONS),
            "text_functions": shell_functions("files", "new_file", "open_file", "open_text"),
            "users_scratch": scratch and not shared and Markup(scratch.folder.shell()),
            "scratch_variables": scratch.folder.variables if scratch else [],
            "scratch_begins": scratch.folder.leading if scratch else [],
            "variables": _variables(plan),
            "binds": [text for bind in _binds(plan) for text in bind],
            "goes_on": plan.goes_on and plan.goes_on.as_json(),
            "ladder": plan.goes_on and plan.goes_on.ladder,
            "follows_by_variable": bool(plan.goes_on and plan.goes_on.queued_ahead)
            and scheduler.script_as != "argument",
            "requeues": bool(plan.goes_on and {*plan.goes_on.after} & {*scheduler.goes_on_after}),
        },
        "commands": [
            {
                "program": _name(c.command),
                "prefix": in_shell(c.prefix),
                "words": words_of(plan, c, c.command),
                "line": line_of(plan, c, c.command),
                "shell": Markup(c.command.shell()),
                "continuation": c.continuation
                and {
                    "from_where": _from_where(c.continuation),
                    "line": line_of(plan, c, c.continuation.command),
                },
            }
            for c in commands
        ],
        "command": Markup(main.command.with_mpi(False).executable.shell()),
        "arguments": Markup(" ".join(word.shell() for word in main.command.arguments)),
        "pre_commands": [Markup(c.command.shell()) for c in commands[:at]],
        "post_commands": [Markup(c.command.shell()) for c in commands[at + 1 :]],
    }


def _from_where(continuation: Continuation) -> list[str]:
    """What the library needs to find where the command goes on."""
    least = [str(continuation.least)] if continuation.least > 1 else []
    return [continuation.way, Markup(continuation.root.shell()), *least]


def _own_warning(plan: Plan) -> int:
    """How many seconds before its time limit the script stops the job; 0 if it does not."""
    scheduler = plan.site.schedulers[plan.scheduler]
    if plan.goes_on and "time_limit" in plan.goes_on.after:
        return max(scheduler.own_warning, scheduler.goes_on_warning)
    return scheduler.own_warning


def _variables(plan: Plan) -> list[str]:
    """The names of the variables that the node expands in the job's commands."""
    words = [word for each in plan.commands for word in each.command.words]
    return list(dict.fromkeys(name for word in words for name in word.variables))


def _binds(plan: Plan) -> list[Bind]:
    """What the site has bound into the job's container."""
    return binds(plan.site.apptainer, plan.image.weights) if plan.image else []


def _name(command: Command) -> Markup:
    """The program's name, quoted; ``rm`` always, which alone behind ``=`` looks like a mistake."""
    program = command.base_program if command.pipeliner_job else command.program
    return Markup(f"'{program}'" if command.is_file_tool else quote(program))
