"""Make the plan for one submission. Reads the script, the site's configuration, and the particles'
box size and number; writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import zip_longest
from pathlib import Path

from ..config.configuration import Configuration
from ..config.places import submission_template
from ..config.scheduler import Scheduler
from ..config.site import Site
from ..host.runtime_folder import local_lock
from ..images import integrity
from ..images.choice import ChosenImage, version_of
from ..images.pin_check import check_against_pin
from ..images.pins import pins
from ..memory import read_refinement
from ..memory.refinement import Refinement
from ..ranks.devices import is_ours
from ..ranks.gpu_fit import gpu_fit
from ..ranks.learned import Learned
from ..reason import about
from ..relion import job_star
from ..relion.command import Command
from ..relion.pipeline import older_than_pipeline
from ..relion.programs import lookup
from ..relion.submission import Submission, read_submission
from ..relion.used_template import FIELD
from ..relion.version import major_minor
from .chosen_scheduler import ChosenScheduler, chosen_scheduler
from .decisions import decisions_if_possible
from .goes_on import Verdict, whether_it_goes_on
from .gpu_option import gpu_option_reason
from .job_request import JobRequest
from .launch import launch_line
from .matched_type import MatchedType, matching_name, with_lineage
from .placed_job import PlacedJob
from .placement import place
from .plan import Plan, PlannedCommand
from .resources import Resources
from .rewrite import rewrite, rewrite_reasons
from .seen_in_container import not_seen
from .sizes import sizes_of
from .star_inputs import star_warnings
from .submitter import whoever_submits
from .text_that_stays import text_that_stays
from .this_machine import this_machine
from .unplaced_job import UnplacedJob
from .window_wishes import window_wishes

__all__ = ["make_plan", "plan_script"]


def plan_script(
    script: Path,
    configuration: Configuration,
    *,
    check_file: Callable[..., ChosenImage] = integrity.usable,
    learned_in: Callable[[Path], Learned] | None = None,
) -> Plan:
    """Plan the submission in the file `script`.

    `check_file` looks at the image's file; `learned_in` at the earlier runs of a job that its user
    continues, given the job's folder.

    Raises:
        DispatchError: any of its kinds; the message says what, where and what to do.
    """
    submission, project = read_submission(script, submission_template())
    gui = job_star.read(project / submission.job / "job.star")
    request = JobRequest(submission, project, gui, pins(project), whoever_submits())
    if learned_in and request.continues:
        request = request._replace(learned=learned_in(project / submission.job))
    plan = make_plan(request, configuration, check_file=check_file)
    return plan._replace(warnings=(*plan.warnings, *_warnings(plan)))


def _warnings(plan: Plan) -> Iterator[str]:
    """What may go wrong on the node, as far as the project shows."""
    commands = [each.command for each in plan.commands]
    yield from text_that_stays(commands)
    if image := plan.image:
        if warning := older_than_pipeline(plan.project, image.version, image.name):
            yield warning
        yield from not_seen(commands, plan.project, plan.name, plan.site.apptainer)


def make_plan(
    request: JobRequest,
    configuration: Configuration,
    *,
    job_type: str | None = None,
    refinement_of: Callable[..., Refinement] = read_refinement.refinement_of,
    check_file: Callable[..., ChosenImage] = integrity.usable,
) -> Plan:
    """Decide everything for one submission.

    `job_type` is taken instead of the first that matches; `refinement_of` sizes up the command,
    `check_file` looks at the image's file.

    Raises:
        DispatchError: as for :func:`plan_script`.
    """
    site, submission = configuration.site, request.submission
    job_type = job_type or matching_name(request, configuration)
    matched = with_lineage(job_type, configuration)
    chosen = chosen_scheduler(site, matched.parameters)
    wishes = window_wishes(request, matched, configuration, chosen.scheduler)
    matched = wishes.of(matched, lookup(submission.main.program))
    if wishes.version and matched.image:
        request = request.with_version(matched.image, wishes.version)
    # The parameters of a Pipeliner's job are those of the programs that its job runner starts.
    levels = () if submission.is_pipeliners else matched.levels
    command, why_left_free = request.learned.left_free(rewrite(submission.main, levels))
    version = _relion_version(matched.image, request, configuration)
    warnings = star_warnings(submission.commands, request.project, version)
    relion_version = major_minor(version or "")
    sizes = sizes_of(command, request, relion_version, refinement_of)
    job = UnplacedJob(
        request=request,
        job_type=matched,
        command=command,
        relion_version=relion_version,
        refinement=sizes.refinement,
        particles=sizes.particles,
        scheduler=chosen.scheduler,
        here=this_machine(site.apptainer.gpu_vendor) if chosen.scheduler.detached else None,
        reasons=(
            *about("type", _why_this_type(matched, submission, request.options)),
            *about("command", rewrite_reasons(submission.main, levels)),
            *about("gpu_memory", why_left_free),
            *about("ranks", sizes.reasons),
            *about("window", wishes.reasons),
        ),
        wishes=wishes,
    )
    placed = place(job, configuration)
    if placed.image:
        image = check_against_pin(
            placed.image, configuration.catalogue, request.pinned, request.pin_file, check_file
        )
        placed = placed._replace(image=image)
    facts = decisions_if_possible(job, placed, configuration)
    plan = _plan(job, placed, chosen)
    warnings = (*plan.warnings, *wishes.warnings, *warnings)
    return plan._replace(decisions=facts, warnings=warnings)


def _relion_version(
    image: str | None, request: JobRequest, configuration: Configuration
) -> str | None:
    """The version of RELION that will run; None on the host, and in an image of another name."""
    if "relion" not in (image or "").lower():
        return None
    return version_of(configuration.catalogue, image or "", request.versions)


def _plan(job: UnplacedJob, placed: PlacedJob, chosen: ChosenScheduler) -> Plan:
    """All that was decided, as one value."""
    site = placed.site
    submission, gui, job_type = job.request.submission, job.request.gui, job.job_type
    script = f"{submission.job}/run_submit.script.run"
    settled = placed.settled
    verdict = whether_it_goes_on(job, placed, chosen)
    return Plan(
        site=site,
        name=submission.job,
        project=job.request.project,
        script=script,
        waiting_program="PIPELINER" if submission.is_pipeliners else "RELION",
        outfile=submission.outfile,
        errfile=submission.errfile,
        label=job.request.label,
        job_type=job_type.name,
        lineage=job_type.lineage,
        template=job_type.template,
        scheduler=chosen.name,
        directives=chosen.scheduler.directives or chosen.name,
        submit_command=(*chosen.submit_command, script),
        lock=str(local_lock()) if chosen.scheduler.one_at_a_time else None,
        image=placed.image,
        nproc=settled.nproc,
        nthread=settled.nthread,
        ngpu=settled.ngpu,
        nodes=settled.nodes,
        uses_mpi=settled.nproc > 1 and not settled.program_starts_ranks,
        chooses_gpus=settled.ngpu > 0 and is_ours(job.command, job_type.levels, settled.nproc),
        mps=_shares_through_mps(settled),
        gpu_fit=gpu_fit(settled.fit, job.refinement, _why_no_fit(job.command, settled)),
        job_parameters=placed.parameters,
        cores_of_node=placed.node.described.cores,
        environment=tuple(site.apptainer.let_through),
        commands=_launched(job, placed, site, chosen.scheduler, verdict),
        original_commands=tuple(each.text for each in submission.commands),
        reasons=(
            *job.reasons,
            *placed.reasons,
            *about("queue", gpu_option_reason(chosen.scheduler, placed.parameters, settled.ngpu)),
            *about("window", [job.wishes.nameless]),
            *about("goes_on", [verdict.reason]),
        ),
        warnings=(*((gui.problem,) if gui and gui.problem else ()), *placed.warnings),
        extra_fields=job.request.extra_fields,
        window=job.wishes.typed,
        goes_on=verdict.goes_on,
    )


def _launched(
    job: UnplacedJob, placed: PlacedJob, site: Site, scheduler: Scheduler, verdict: Verdict
) -> tuple[PlannedCommand, ...]:
    """The job's commands, each with what starts its container and its ranks, and how it goes on."""
    project, own = job.request.project, job.job_type.has_own_template
    fewer = bool(verdict.goes_on and verdict.goes_on.ladder.ranks)
    return tuple(
        PlannedCommand(
            command,
            launch_line(command, placed, site, scheduler, project, own, fewer),
            command is placed.main,
            continuation,
        )
        for command, continuation in zip_longest(placed.commands, verdict.continuations)
    )


def _shares_through_mps(settled: Resources) -> bool:
    fit = settled.fit
    return fit is not None and fit.mps and fit.ranks_per_gpu > 1


def _why_this_type(
    matched: MatchedType, submission: Submission, options: Mapping[str, str]
) -> Iterator[str]:
    names, main = " → ".join(matched.lineage), submission.main
    yield f"Job type {matched.name} ({names}): {main.base_program}."
    template = f"{options.get('qsubscript', 'the template')} ({FIELD})"
    if main.launcher:
        yield (
            f"`{main.launcher}` before the program is left out, because relion-dispatch starts the "
            f"ranks: take this launcher out of {template}."
        )
    if lines := submission.left_out:
        one = len(lines) == 1
        yield (
            f"{', '.join(f'`{line}`' for line in lines)} {'is' if one else 'are'} left out, "
            "because each command runs by itself, and RELION in its image: take "
            f"{'this line' if one else 'these lines'} out of {template}."
        )


def _why_no_fit(command: Command, settled: Resources) -> str:
    if command.base_program != "relion_refine":
        return f"{command.base_program} does not hold references in GPU memory"
    return "the job uses no GPU" if settled.ngpu == 0 else "the box size is not known here"
