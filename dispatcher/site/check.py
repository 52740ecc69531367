"""Checking a site before its users do: configuration, job types, images, templates."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path

from ..config.catalogue import Catalogue, Listed, load_catalogue
from ..config.configuration import Configuration, check_site_against_types
from ..config.endings import load_endings
from ..config.job_types import DECIDING_PARAMETERS, JobType, JobTypes, load_job_types
from ..config.json_files import nearest
from ..config.places import config_path, files_in, template_folders
from ..config.site import Partition, Site, load_site
from ..errors import DispatchError, ImageError
from ..host import programs
from ..images import apptainer
from ..images.choice import Needs, choose
from ..images.pins import PIN_FILE
from ..images.sif import ours, read_header
from ..job_script.templates import environment
from ..job_script.variables import NO_TOKEN, job_script, job_variables
from ..jobs.watcher import watcher_script
from ..planning.placement import partition_names
from ..planning.plan import Plan
from ..relion.programs import strip_mpi
from .library_check import library_problems
from .sample_jobs import sample_catalogue, sample_plan
from .scheduler_check import scheduler_problems

__all__ = ["problems", "shadowed"]

_START = 60  # seconds, in which a container starts or never will


def problems() -> list[str]:
    """Every problem of the site's configuration, a sentence each; empty when there is none."""
    found: list[str] = []

    def attempt(load: Callable[[], object]) -> object:
        try:
            return load()
        except DispatchError as error:
            found.extend(str(error).splitlines())
            return None

    site = attempt(load_site)
    types = attempt(lambda: load_job_types(config_path("dispatch_config.json")))
    catalogue = attempt(lambda: load_catalogue(config_path("images.json")))
    attempt(load_endings)
    if isinstance(types, JobTypes):
        found += (
            f'{config_path("dispatch_config.json")}: job type "{later}" can never match, because '
            f'"{earlier}" comes first and takes all its jobs: change their order, or remove one of '
            "them."
            for earlier, later in shadowed(types.types)
        )
    if isinstance(catalogue, Catalogue):
        found += _image_problems(catalogue, types.types if isinstance(types, JobTypes) else {})
    if isinstance(site, Site):
        attempt(lambda: _try_apptainer(site, catalogue))
        if isinstance(types, JobTypes):
            before = len(found)
            attempt(lambda: check_site_against_types(site, types))
            if len(found) == before:
                real = catalogue if isinstance(catalogue, Catalogue) and catalogue.images else None
                attempt(lambda: found.extend(_job_problems(site, types, real)))
    return list(dict.fromkeys(found))


def _image_problems(catalogue: Catalogue, types: Mapping[str, JobType]) -> Iterator[str]:
    for listed in catalogue.builds():
        yield from (f"{catalogue.path}: {listed}: {each}" for each in _file_problems(listed))
    for name in dict.fromkeys(kind.image for kind in types.values() if kind.image):
        users = [each for each, kind in types.items() if kind.image == name]
        then = f'Add the image, or correct "image" in dispatch_config.json: {_named(users)}.'
        try:
            catalogue.find(name, then=then)
        except ImageError as error:
            yield str(error)


def _file_problems(listed: Listed) -> Iterator[str]:
    """What a short look shows; ``relion-dispatch images verify`` reads the whole file."""
    build = listed.build
    try:
        header = read_header(listed.path)
    except ImageError as error:
        yield str(error)
        return
    if build.sif_id and not build.matches(header):
        yield (
            f"the file {listed.path} is not the file that was added ({header.size} bytes with SIF "
            f"id {header.sif_id}; {build.size} bytes with SIF id {build.sif_id} were added): put "
            "the earlier file back, or add the new file as another variant or version."
        )
    if listed.weights and not listed.weights.is_dir():
        yield (
            f"the folder of weights {listed.weights} does not exist: put the folder back, or "
            'correct "weights" there.'
        )


def _try_apptainer(site: Site, catalogue: object) -> None:
    """Ask Apptainer for its version, and start the first image that is here and for this machine.

    Raises:
        ImageError: that does not work, as without user namespaces or /dev/fuse.
    """
    program, options = site.apptainer.program, site.apptainer.options
    apptainer.version(program)
    path = _first_image(catalogue) if isinstance(catalogue, Catalogue) else None
    if path:
        apptainer.inside(program, path, "exit 0", options, timeout=_START)


def _first_image(catalogue: Catalogue) -> Path | None:
    for listed in catalogue.builds():
        with suppress(ImageError):
            if read_header(listed.path).architecture in (ours(), "unknown"):
                return listed.path
    return None


def _job_problems(site: Site, types: JobTypes, catalogue: Catalogue | None) -> list[str]:
    """Plan a made-up job of every type, render its template, and let bash read the script."""
    found = [*_uncompiled_templates(), *library_problems(), *scheduler_problems(site)]
    known, hidden = set(DECIDING_PARAMETERS), set[str]()
    same: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        configuration = Configuration(site, types, sample_catalogue(Path(folder), types, site))
        for name, kind in types.types.items():
            if not kind.matches_jobs:
                continue
            try:
                plan = sample_plan(name, configuration, Path(folder))
                scripts = [job_script(plan, NO_TOKEN)]
                scheduler = site.schedulers[plan.scheduler]
                if scheduler.watcher:
                    scripts.append(watcher_script(plan, scheduler, NO_TOKEN))
            except DispatchError as error:
                same.setdefault(str(error), []).append(name)
                continue
            if catalogue and plan.image and plan.image.name in catalogue.images:
                for problem in _without_image(site, plan, plan.image.name, catalogue):
                    same.setdefault(problem, []).append(name)
            program = plan.submit_command[0]
            if programs.which(program) is None:
                says = f'the submit command "{program}" is not found: install it, or correct'
                if plan.job_parameters.get("submit_command"):
                    says += ' "submit_command" of the job_parameters.'
                    same.setdefault(says, []).append(name)
                else:
                    found.append(f'scheduler "{plan.scheduler}": {says} its "submit_command".')
            variables = job_variables(plan, NO_TOKEN)
            known |= set(variables) - set(plan.job_parameters)
            hidden |= {
                key for key, value in plan.job_parameters.items() if variables[key] is not value
            }
            for script in scripts:
                content = script.encode(errors="surrogateescape")
                read = subprocess.run(["bash", "-n"], input=content, capture_output=True)
                if read.returncode != 0:
                    said = read.stderr.decode(errors="replace").strip()
                    found.append(f'job type "{name}", template {plan.template}: {said}')
    # A site with images for CPUs alone lacks the same thing for each job type on GPUs: one problem.
    found += (f"{_named(names)}: {sentence}" for sentence, names in same.items())
    found += _hidden_parameters(site, types, hidden - DECIDING_PARAMETERS)
    return found + list(_unused_parameters(site, types, known))


def _named(types: list[str]) -> str:
    if len(types) == 1:
        return f'job type "{types[0]}"'
    more = f" and {len(types) - 3} more" if len(types) > 3 else ""
    return f"job types {', '.join(json.dumps(name) for name in types[:3])}{more}"


def _without_image(site: Site, plan: Plan, image: str, catalogue: Catalogue) -> Iterator[str]:
    """The partitions of a job for which the catalogue has no image that serves it."""
    for partition in partition_names(plan.job_parameters, None, site):
        shape = site.partitions.get(partition or "")
        needs = Needs(
            gpu=site.apptainer.gpu_kind if plan.uses_gpu and not _has_no_gpu(shape) else None,
            partition=partition,
            signed_by=tuple(site.apptainer.signed_by),
        )
        try:
            choose(catalogue, image, {}, needs, Path(PIN_FILE))
        except DispatchError as error:
            yield str(error)


def _has_no_gpu(shape: Partition | None) -> bool:
    return shape is not None and shape.gpus == 0


def _unused_parameters(site: Site, types: JobTypes, known: set[str]) -> Iterator[str]:
    """job_parameters that no template prints and no decision reads: misspelt, most likely."""
    sources = _template_sources()
    for name, kind in types.types.items():
        for key in {**kind.job_parameters, **site.job_parameters.get(name, {})}:
            if key not in known and not re.search(rf"\bjob\.{re.escape(key)}\b", sources):
                yield (
                    f'job type "{name}", key "job_parameters.{key}": no template uses it'
                    f"{nearest(key, sorted(known))}"
                )


def _hidden_parameters(site: Site, types: JobTypes, hidden: set[str]) -> Iterator[str]:
    """job_parameters that have the name of a variable of ours, which templates get instead."""
    for name, kind in types.types.items():
        for key in {**kind.job_parameters, **site.job_parameters.get(name, {})}:
            if key in hidden:
                yield (
                    f'job type "{name}", key "job_parameters.{key}": templates get another value '
                    f"as job.{key}, that of relion-dispatch: give the parameter another name"
                )


def _uncompiled_templates() -> Iterator[str]:
    """Templates that Jinja cannot read, also those that no job type uses."""
    env = environment(template_folders())
    for name in _template_names():
        try:
            env.get_template(name)
        except Exception as error:
            line = f", line {error.lineno}" if hasattr(error, "lineno") else ""
            yield f"Template {name}{line}: {error}"


def _template_sources() -> str:
    env = environment(template_folders())
    loader = env.loader
    assert loader is not None
    return "\n".join(loader.get_source(env, name)[0] for name in _template_names())


def _template_names() -> list[str]:
    """Of all templates, as Jinja names them."""
    found = ((each, files_in(each, ".j2", below=True)) for each in template_folders())
    return sorted({str(path.relative_to(each)) for each, paths in found for path in paths})


def shadowed(types: Mapping[str, JobType]) -> Iterator[tuple[str, str]]:
    """Pairs (earlier, later) where every job of the later type already matches the earlier one."""
    matching = [(name, kind) for name, kind in types.items() if kind.matches_jobs]
    for at, (later, kind) in enumerate(matching):
        for earlier, other in matching[:at]:
            if _takes_all(other, kind):
                yield earlier, later
                break


def _takes_all(wide: JobType, narrow: JobType) -> bool:
    def within(inner: list[str], outer: list[str], covers: Callable[[str, str], bool]) -> bool:
        return not outer or (bool(inner) and all(any(covers(i, o) for o in outer) for i in inner))

    return (
        within(narrow.match_command, wide.match_command, lambda i, o: strip_mpi(i) == strip_mpi(o))
        and set(wide.match_parameter) <= set(narrow.match_parameter)
        and set(wide.nomatch_parameter) <= set(narrow.nomatch_parameter)
        and within(narrow.match_label, wide.match_label, fnmatchcase)
    )
