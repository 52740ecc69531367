"""Making a plan for one submission: reads the script, the site's configuration and the particles'
box size; writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from . import box_size, integrity, job_star, resources
from .command import Command
from .configuration import Configuration
from .containers import command_prefix
from .errors import ConfigError, ImageError, InputError
from .images import Choice, Needs, choose
from .job_types import JobType, lineage, match, merged_parameters
from .pins import PIN_FILE, Pin, pins
from .pipeline_version import older_than_pipeline
from .plan import Plan, PlannedCommand
from .programs import called_programs, lookup
from .refinement import RefinementModel
from .rewrite import as_single_process, rewrite, with_resources
from .shell_words import split
from .site import Partition, Site, bytes_of, config_path
from .submission import Submission, read_submission
from .submit import lock_file
from .templates import environment, nearest_template, template_folders

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
    refinement_model: Callable[..., RefinementModel] = box_size.refinement_model,
    verified: Callable[..., Choice] = integrity.verified,
) -> Plan:
    """Decide everything for one submission.

    `job_type` is taken instead of the first that matches; `refinement_model` finds the box size,
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

    partition_name = _partition_name(parameters, submission, site)
    partition = site.partitions.get(partition_name or "", Partition())
    command = rewrite(submission.main, levels)
    refinement = None
    if command.base_program == "relion_refine":
        try:
            refinement = refinement_model(command, project, gui.options if gui else None)
        except InputError:
            inputs = [command.value(name) or "" for name in ("i", "ios", "continue", "ref")]
            if "$" not in "".join(inputs):
                raise
            reasons.append("The box size is not known here: a path is to be expanded on the node.")
    wanted = _wanted(parameters, submission, gui, command, levels, partition)
    settled = resources.decide(command, wanted, partition, refinement)
    reasons += settled.reasons
    command = with_resources(command, submission.main, settled)

    planned_commands = [
        command if each is submission.main else as_single_process(each)
        for each in submission.commands
    ]
    image_name = _leafmost(levels, "image")
    image = None
    if image_name:
        needs = Needs(
            gpu=site.apptainer.gpu_kind if settled.ngpu else None,
            partition=partition_name,
            programs=called_programs(planned_commands),
            signed_by=tuple(site.apptainer.signed_by),
        )
        image = _image(image_name, needs, configuration, pinned, project, verified)
        reasons.append(image.reason)

    scheduler_name, submit_command = _scheduler(site, parameters)
    scheduler = site.schedulers[scheduler_name]
    script = f"{submission.job}/run_submit.script.run"
    commands = tuple(
        PlannedCommand(
            each,
            command_prefix(each, each is command, image, site, settled, project),
            each is command,
        )
        for each in planned_commands
    )
    mps = (
        site.mps
        and site.apptainer.gpu_option == "--nv"
        and settled.fit is not None
        and settled.fit.ranks_per_gpu > 1
    )
    env = environment(template_folders())
    return Plan(
        name=submission.job,
        project=project,
        script=script,
        outfile=submission.outfile,
        errfile=submission.errfile,
        label=label,
        job_type=job_type,
        lineage=names,
        template=nearest_template(env, names, _leafmost(levels, "template")),
        scheduler=scheduler_name,
        directives=scheduler.directives or scheduler_name,
        submit_command=(*(submit_command or scheduler.submit_command), script),
        lock=str(lock_file()) if scheduler.one_at_a_time else None,
        image=image,
        nproc=settled.nproc,
        nthread=settled.nthread,
        ngpu=settled.ngpu,
        nodes=settled.nodes,
        mps=mps,
        gpu_fit=resources.as_json(settled.fit, refinement, _why_no_fit(command, settled)),
        job_parameters={**parameters, "partition": partition_name},
        environment=tuple(site.apptainer.environment),
        commands=commands,
        original_commands=tuple(each.text for each in submission.commands),
        reasons=tuple(reasons),
        warnings=(gui.problem,) if gui and gui.problem else (),
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
        merged |= {**merged_parameters([level]), **site.job_parameters.get(name, {})}
    return merged


def _image(
    name: str,
    needs: Needs,
    configuration: Configuration,
    pinned: Mapping[str, Pin],
    project: Path,
    verified: Callable[..., Choice],
) -> Choice:
    pin_file = project / PIN_FILE
    versions = {image: pin.version for image, pin in pinned.items()}
    image = choose(configuration.catalogue, name, versions, needs, pin_file)
    used = None
    if name in pinned:
        digests = pinned[name].sha256
        used = digests.get(image.variant)
        builds = configuration.catalogue.images[name].versions[image.version]
        gone = sorted(digests.keys() - {build.variant for build in builds})
        if gone and used is None:
            raise ImageError(
                f"This project has used the variant {gone[0]} of {name} {image.version} (sha256 "
                f"{digests[gone[0]]}, {pin_file}), which is no longer in the catalogue "
                f"{configuration.catalogue.path}: ask your admin to put it back, or go on without "
                f"it knowingly: `relion-dispatch pin {name} {image.version}`."
            )
    return verified(image, used, configuration.catalogue.path, pin_file)


def _leafmost(levels: Sequence[JobType], key: str) -> Any:
    """The value of `key` nearest to the leaf, None where no level has one."""
    found = (getattr(level, key) for level in reversed(levels))
    return next((value for value in found if value is not None), None)


def _partition_name(
    parameters: Mapping[str, Any], submission: Submission, site: Site
) -> str | None:
    """The job type's partition, else the queue named in RELION's window if the site knows it."""
    configured = parameters.get("partition")
    if configured is None and submission.queue in site.partitions:
        return submission.queue
    return None if configured is None else str(configured)


def _wanted(
    parameters: Mapping[str, Any],
    submission: Submission,
    gui: job_star.JobStar | None,
    command: Command,
    levels: Sequence[JobType],
    partition: Partition,
) -> resources.Wanted:
    options = gui.options if gui else {}
    thread_options = lookup(command.program).threads
    given_threads = submission.main.value(thread_options[0].lstrip("-")) if thread_options else None
    adjust = _leafmost(levels, "adjust_GPU_nproc_to_mem")
    return resources.Wanted(
        nproc=_first_number(parameters.get("nproc"), submission.ranks, options.get("nr_mpi")),
        nthread=_first_number(parameters.get("nthread"), given_threads, submission.threads),
        ngpu=_first_number(parameters.get("ngpu"), adjust and adjust[0], 0),
        nodes=_first_number(parameters.get("nodes")),
        gpu_bytes=bytes_of(partition.gpu_memory, "partition") or (adjust[1] if adjust else None),
        memory_model=_leafmost(levels, "gpu_memory_model") or "relion",
    )


def _first_number(*candidates: int | str | None) -> int:
    """The first of the candidates that is a whole number, else 1."""
    for candidate in candidates:
        if candidate is not None and str(candidate).isdigit():
            return int(candidate)
    return 1


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
