"""Making a plan for one submission: reads the script, the site's configuration, and the particles'
box size and number; writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..config.configuration import Configuration
from ..config.job_types import JobType, lineage, match, merged_parameters
from ..config.places import config_path
from ..config.site import Site
from ..errors import ConfigError, InputError
from ..host.private_folders import local_lock
from ..host.shell_words import split
from ..images import integrity
from ..images.choice import ChosenImage
from ..images.pins import PIN_FILE, Pin, check_against_pin, pins
from ..memory import particle_count, read_refinement
from ..memory.host_memory import Particles
from ..memory.refinement import Refinement
from ..relion import job_star
from ..relion.command import Command
from ..relion.pipeline import older_than_pipeline
from ..relion.programs import lookup
from ..relion.submission import Submission, read_submission
from . import resources
from .gpus_here import gpus_here
from .launch import command_prefix
from .placement import Placeable, leafmost, place
from .plan import Plan, PlannedCommand
from .rewrite import rewrite
from .template_name import nearest_template

__all__ = ["make_plan", "plan_script"]


def plan_script(script: Path, configuration: Configuration) -> Plan:
    """Plan the submission in the file `script`.

    Raises:
        DispatchError: any of its kinds; the message says what, where and what to do.
    """
    submission, project = read_submission(script)
    gui = job_star.read(project / submission.job / "job.star")
    plan = make_plan(submission, gui, project, configuration, pins(project))
    image = plan.image
    warning = older_than_pipeline(project, image.version, image.name) if image else None
    return plan._replace(warnings=(*plan.warnings, warning)) if warning else plan


def make_plan(
    submission: Submission,
    gui: job_star.JobStar | None,
    project: Path,
    configuration: Configuration,
    pinned: Mapping[str, Pin],
    *,
    job_type: str | None = None,
    refinement_of: Callable[..., Refinement] = read_refinement.refinement_of,
    verified: Callable[..., ChosenImage] = integrity.usable,
) -> Plan:
    """Decide everything for one submission.

    `job_type` is taken instead of the first that matches; `refinement_of` sizes up the command,
    `verified` looks at the image's file.

    Raises:
        DispatchError: as for :func:`plan_script`.
    """
    site, types = configuration.site, configuration.job_types.types
    label = (gui and gui.label) or job_star.label_from_directory(submission.job)
    job_type = job_type or _matching(types, submission, label)
    names = lineage(types, job_type)
    levels = [types[name] for name in names]
    parameters = _job_parameters(site, names, levels)
    reasons = [f"Job type {job_type} ({' → '.join(names)}): {submission.main.base_program}."]

    scheduler_name, submit_command = _scheduler(site, parameters)
    scheduler = site.schedulers[scheduler_name]
    command = rewrite(submission.main, levels)
    refinement, particles = None, Particles()
    if command.base_program == "relion_refine":
        try:
            refinement = refinement_of(command, project, gui.options if gui else None)
            particles = particle_count.particles(command, project)
        except InputError:
            inputs = [command.value(name) or "" for name in ("i", "ios", "continue", "ref")]
            if "$" not in "".join(inputs):
                raise
            reasons.append("The box size is not known here: a path is to be expanded on the node.")
    pin_file = project / PIN_FILE
    job = Placeable(
        submission=submission,
        command=command,
        levels=levels,
        parameters=parameters,
        gui=gui,
        refinement=refinement,
        particles=particles,
        pinned={image: pin.version for image, pin in pinned.items()},
        pin_file=pin_file,
        gpus_here=gpus_here() if scheduler.detached else None,
    )
    placed = place(job, configuration)
    reasons += placed.reasons
    settled, image = placed.settled, placed.image
    if image:
        image = check_against_pin(image, configuration.catalogue, pinned, pin_file, verified)

    script = f"{submission.job}/run_submit.script.run"
    commands = tuple(
        PlannedCommand(
            each,
            command_prefix(each, each is placed.main, image, site, settled, project),
            each is placed.main,
        )
        for each in placed.commands
    )
    mps = (
        site.shares_through_mps
        and lookup(placed.main.program).idle_leader
        and settled.fit is not None
        and settled.fit.ranks_per_gpu > 1
    )
    return Plan(
        name=submission.job,
        project=project,
        script=script,
        outfile=submission.outfile,
        errfile=submission.errfile,
        label=label,
        job_type=job_type,
        lineage=names,
        template=nearest_template(names, leafmost(levels, "template")),
        scheduler=scheduler_name,
        directives=scheduler.directives or scheduler_name,
        submit_command=(*(submit_command or scheduler.submit_command), script),
        lock=str(local_lock()) if scheduler.one_at_a_time else None,
        image=image,
        nproc=settled.nproc,
        nthread=settled.nthread,
        ngpu=settled.ngpu,
        nodes=settled.nodes,
        mps=mps,
        gpu_fit=resources.as_json(settled, refinement, _why_no_fit(command, settled)),
        job_parameters={**parameters, "mem": settled.mem, "partition": placed.partition},
        environment=tuple(site.apptainer.environment),
        commands=commands,
        original_commands=tuple(each.text for each in submission.commands),
        reasons=tuple(reasons),
        warnings=(gui.problem,) if gui and gui.problem else (),
        watch_gpus=site.watch_gpus,
    )


def _matching(types: Mapping[str, JobType], submission: Submission, label: str | None) -> str:
    found = match(types, submission.main, label)
    if found is None:
        raise InputError(
            f"No job type in {config_path('dispatch_config.json')} matches "
            f"{submission.main.base_program}{f' (a {label} job)' if label else ''}: ask your admin "
            "to add one for it."
        )
    return found


def _job_parameters(site: Site, names: Sequence[str], levels: Sequence[JobType]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for name, level in zip(names, levels, strict=True):
        for own in (merged_parameters([level]), site.job_parameters.get(name, {})):
            if "partition" in own or "partitions" in own:  # either takes the place of both
                merged = {**merged, "partition": None, "partitions": None}
            merged |= own
    return merged


def _scheduler(site: Site, parameters: Mapping[str, Any]) -> tuple[str, list[str] | None]:
    """The scheduler's name, and the submit command if the job type brings its own.

    A submit command alone (the FMI format) names the scheduler that uses the same program.
    """
    own = parameters.get("submit_command")
    command = [str(word) for word in split(str(own))] if own else None
    name = parameters.get("scheduler")
    if name is None and command:
        program = Path(command[0]).name
        users = [n for n, s in site.schedulers.items() if Path(s.submit_command[0]).name == program]
        name = users[0] if users else None
    name = str(name or site.scheduler)
    if name not in site.schedulers:
        raise ConfigError(
            f'The scheduler "{name}" is not in "schedulers" of {config_path("site.json")} '
            f"({', '.join(site.schedulers)})."
        )
    return name, command


def _why_no_fit(command: Command, settled: resources.Resources) -> str:
    if command.base_program != "relion_refine":
        return f"{command.base_program} does not hold references in GPU memory"
    return "the job uses no GPU" if settled.ngpu == 0 else "the box size is not known here"
