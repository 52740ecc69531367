"""The script of a job of the doctor: the site's directives, the library of jobs, the probe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..config.places import shipped_folder, template_folders
from ..host.directives import first_command
from ..host.shell_words import quote
from ..images.container import binds, exec_argv
from ..job_script.library import read_library
from ..job_script.templates import environment, render
from ..job_script.variables import job_variables
from ..planning.launch import launch_options
from ..planning.plan import Plan
from .check_table import Task
from .places import Place

__all__ = ["probe_script"]

_BEGIN, _END = "# doctor: begin", "# doctor: end"
_RANKS = 2


def probe_script(place: Place, plan: Plan, token: str, task: Task, seconds: int) -> str:
    """The script of `plan`, which is that of the place with the job's own names.

    For `seconds` the probe waits for this side.

    Raises:
        TemplateError: the templates of the site's jobs are wrong.
    """
    library = read_library(*plan.template_folders)
    variables = job_variables(plan, token, library)
    probe = {"template": plan.template}
    text = render(
        environment(template_folders()), "doctor/script.sh.j2", variables | {"probe": probe}
    )
    lines = text.splitlines()
    own = text.partition(f"{_BEGIN}\n")[2].partition(_END)[0] or "probe_loads() { :; }\n"
    parts = [
        "\n".join(lines[: first_command(lines)]),
        _assignments(_settings(place, plan, token, task, seconds)),
        # Values of variables are one word, whatever is in them.
        f"name_scratch() {{ set -f; local IFS=''; printf '%s' {place.scratch}; }}",
        library.text,
        own,
        (shipped_folder() / "job_template" / "doctor" / "probe.sh").read_text(encoding="utf-8"),
    ]
    return "\n".join(parts)


def _settings(
    place: Place, plan: Plan, token: str, task: Task, seconds: int
) -> Mapping[str, str | Sequence[str]]:
    """What the probe and the library read: texts, and arrays."""
    apptainer, image = plan.site.apptainer, place.image
    container = _container(place, plan, clean=True)
    return {
        "probe_task": task,
        "probe_folder": str(plan.project / plan.name),
        "probe_seconds": str(seconds),
        "probe_program": apptainer.program,
        "probe_image": str(image.path) if image else "",
        "probe_image_state": place.image_state,
        "probe_container": container,
        "probe_quiet": [word for word in container if word != "--quiet"],
        "probe_mpirun": plan.site.mpi.get("mpirun", []),
        "probe_launch": _launch(place, plan) if task == "nodes" else [],
        "probe_gpu_cards": str(apptainer.gpu_vendor.cards or ""),
        "probe_gpu_tool": apptainer.gpu_vendor.memory_tool or "" if plan.ngpu else "",
        "probe_mps": "yes" if place.asked.mps else "",
        "probe_binds": [bind.folder for bind in binds(apptainer, image.weights if image else None)],
        "dispatch_job": plan.name,
        "dispatch_token": token,
        "dispatch_nodes": str(plan.nodes),
        "dispatch_image": str(image.path) if image else "",
        "dispatch_environment": list(apptainer.let_through),
        "dispatch_for_apptainer": " ".join(apptainer.for_apptainer),
        "dispatch_gpu_tool": apptainer.gpu_vendor.memory_tool or "",
        "dispatch_gpu_lists": list(apptainer.gpu_vendor.lists),
    }


def _container(place: Place, plan: Plan, clean: bool) -> list[str]:
    if place.image is None:
        return []
    return exec_argv(
        plan.site.apptainer,
        place.image.path,
        [plan.project],
        plan.project / plan.name,
        place.asked.gpu_image,
        clean,
        place.image.weights,
    )


def _launch(place: Place, plan: Plan) -> list[str]:
    """What starts two ranks on the job's nodes."""
    scheduler = plan.site.schedulers[plan.scheduler]
    options = launch_options(plan.site, scheduler, plan.nodes, on_host=place.image is None)
    ranks = [option.replace("{ranks}", str(_RANKS)) for option in options]
    return [*plan.site.launch(scheduler), *ranks, *_container(place, plan, clean=False)]


def _assignments(settings: Mapping[str, str | Sequence[str]]) -> str:
    return "\n".join(
        f"{name}={quote(value)}"
        if isinstance(value, str)
        else f"{name}=({' '.join(map(quote, value))})"
        for name, value in settings.items()
    )
