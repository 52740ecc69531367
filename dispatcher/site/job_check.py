"""Does a job of each type get a plan, an image, a submit command, and scripts of good shell?"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..config.catalogue import Catalogue
from ..config.configuration import Configuration
from ..config.job_types import DECIDING_PARAMETERS, JobTypes
from ..config.site import Partition, Site
from ..errors import DispatchError, NeedsGpus
from ..images.awaited import awaited_images
from ..images.choice import Needs, choose
from ..images.pins import PIN_FILE
from ..job_script.launchers import settled
from ..job_script.scheduler_templates import unread_directives
from ..job_script.variables import NO_TOKEN, job_variables
from ..jobs.watcher import watcher_script
from ..planning.placement import partition_names
from ..planning.plan import Plan
from .job_type_check import named
from .sample_jobs import sample_plan
from .template_check import hidden_parameters, unused_parameters
from .through_check import is_known_to_lack

__all__ = ["job_problems"]


def job_problems(site: Site, types: JobTypes, catalogue: Catalogue | None) -> Iterator[str]:
    """Plan a made-up job of every type, render its scripts, and let bash read them.

    Without a catalogue nobody asks whether each job gets an image.

    Yields:
        a sentence a problem; a problem that several job types share is told once.
    """
    shared: dict[str, list[str]] = {}  # sentence → the job types for which it holds
    known, hidden = set(DECIDING_PARAMETERS), set[str]()
    lacks: dict[tuple[str, str], bool] = {}  # by scheduler and submit command
    with tempfile.TemporaryDirectory() as folder:
        configuration = Configuration(site, types, awaited_images(Path(folder), types, site))
        for name, kind in types.types.items():
            if not kind.matches_jobs:
                continue
            try:
                sample = sample_plan(name, configuration, Path(folder))
                plan, script = settled(sample, NO_TOKEN)
                scripts = [script, *_watcher_scripts(plan, site)]
            except NeedsGpus:
                continue  # a site without GPUs is in order
            except DispatchError as error:
                shared.setdefault(str(error), []).append(name)
                continue
            missing = _missing_images(site, plan, catalogue)
            of_template = plan.warnings[len(sample.warnings) :]
            of_template += tuple(_unread(scripts))
            for sentence in (*of_template, *_unused_image(plan, script), *missing):
                shared.setdefault(sentence, []).append(name)
            program = plan.submit_command[0]
            scheduler = site.schedulers[plan.scheduler]
            at = (plan.scheduler, program)
            if at not in lacks:
                lacks[at] = is_known_to_lack(scheduler, program)
            if lacks[at]:
                where = f" on {scheduler.through[-1]}" if scheduler.through else ""
                says = f'the submit command "{program}" is not found{where}: install it, or correct'
                if plan.job_parameters.get("submit_command"):
                    says += ' "submit_command" of the job_parameters.'
                    shared.setdefault(says, []).append(name)
                else:
                    yield f'scheduler "{plan.scheduler}": {says} its "submit_command".'
            variables = job_variables(plan, NO_TOKEN)
            known |= set(variables) - set(plan.job_parameters)
            hidden |= {
                key for key, value in plan.job_parameters.items() if variables[key] is not value
            }
            for said in filter(None, map(_bash_says, scripts)):
                yield f'job type "{name}", template {plan.template}: {said}'
    yield from (f"{named(names)}: {sentence}" for sentence, names in shared.items())
    yield from hidden_parameters(site, types, hidden - DECIDING_PARAMETERS)
    yield from unused_parameters(site, types, known)


def _watcher_scripts(plan: Plan, site: Site) -> list[str]:
    """The script of the job after the job, if the scheduler has one."""
    scheduler = site.schedulers[plan.scheduler]
    return [watcher_script(plan, scheduler, NO_TOKEN)] if scheduler.watcher else []


def _unread(scripts: Sequence[str]) -> Iterator[str]:
    """Directives that a site's own template prints where the scheduler does not read them."""
    for script in scripts:
        for _, line in unread_directives(script):
            yield (
                f"the line `{line}` stands behind the first command of the script, so that the "
                "scheduler does not read the line: let the template print it in its block "
                '"further_directives" (docs/templates.md).'
            )


def _unused_image(plan: Plan, script: str) -> Iterator[str]:
    """A template of a site's own that runs RELION on the host, though the job has an image."""
    main = next(planned for planned in plan.commands if planned.is_main).command
    if not plan.image or main.base_program not in script:
        return
    if not any(text in script for text in (str(plan.image.path), "apptainer", "singularity")):
        yield (
            f"template {plan.template} runs {main.base_program} on the host, though the job has "
            f"the image {plan.image.name}: let the template print "
            "{{ command.line | lines }} for each command of job.commands, or set "
            '"image" of the job type to "".'
        )


def _missing_images(site: Site, plan: Plan, catalogue: Catalogue | None) -> Iterator[str]:
    """The partitions of a job for which the catalogue has no image that serves it."""
    if not (catalogue and plan.image and plan.image.name in catalogue.images):
        return
    for partition in partition_names(plan.job_parameters, None, site):
        shape = site.partitions.get(partition or "", Partition())
        apptainer = site.on(shape).apptainer
        needs = Needs(
            gpu=apptainer.gpu_kind if plan.uses_gpu and shape.gpus != 0 else None,
            partition=partition,
            signed_by=tuple(apptainer.signed_by),
        )
        try:
            choose(catalogue, plan.image.name, {}, needs, Path(PIN_FILE))
        except DispatchError as error:
            yield str(error)


def _bash_says(script: str) -> str:
    """What bash says of a script that it cannot read; empty if it can."""
    content = script.encode(errors="surrogateescape")
    read = subprocess.run(["bash", "-n"], input=content, capture_output=True)
    return read.stderr.decode(errors="replace").strip() if read.returncode != 0 else ""
