"""What a user has typed into the fields that the site adds to RELION's window: what the plan makes
of it, or why the site does not take it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from ..config.catalogue import Catalogue
from ..config.configuration import Configuration
from ..config.job_types import JobType, Scalar
from ..config.partition import kinds
from ..config.scheduler import Scheduler
from ..config.site import Site
from ..config.window_field import UNSET, WindowField, reading
from ..errors import InputError
from ..relion.programs import Program, lookup
from .job_request import JobRequest
from .matched_type import MatchedType
from .own_options import refused_options
from .typed_texts import typed_texts

__all__ = ["BY_THE_WINDOW", "Wishes", "window_wishes"]

BY_THE_WINDOW = "RELION's window"

_CHOSEN_BY_US = '""'  # as job types leave the devices to the plan
_OF_A_QUEUE = ("time", "account", "partition", "options")
_HERE = "is left out, because the job waits in no queue: it runs on this machine"
_CORRECT = 'correct the field in the "Running" tab of RELION\'s window and submit the job again.'


class Wishes(NamedTuple):
    """What the fields say, for this job alone.

    Attributes:
        typed: the texts, by the names of the fields; those left to the dispatcher are not there.
        parameters: in place of the job type's job_parameters.
        version: of the job type's image, None for the project's.
        account: who pays, None for what the site says.
        goes_on: whether the job goes on by itself, None for what the site says.
        options: further directives.
        reasons, warnings: a sentence on what is taken, one on each text that is not.
        of_the_type: what the job type has of these job_parameters.
        nameless: a sentence on texts of which nothing tells the field; "" if there are none.
    """

    typed: Mapping[str, str] = {}
    parameters: Mapping[str, Any] = {}
    version: str | None = None
    account: str | None = None
    goes_on: bool | None = None
    options: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    nameless: str = ""
    of_the_type: Mapping[str, Any] = {}

    def of(self, matched: MatchedType, program: Program) -> MatchedType:
        """The job type with what was typed in place of its job_parameters.

        Where GPUs were typed, the plan chooses the devices of a `program` that takes several, and
        not the job type.
        """
        levels = matched.levels
        if program.gpu and program.gpu_groups and "ngpu" in self.parameters:
            names = (program.gpu, program.gpu.lstrip("-"))
            levels = tuple(_without_devices(each, names) for each in levels)
        parameters = {**matched.parameters, **self.parameters}
        return matched._replace(levels=levels, parameters=parameters)


def _without_devices(level: JobType, names: Sequence[str]) -> JobType:
    added: dict[str, Scalar] = {
        key: _CHOSEN_BY_US if key in names and value is not False else value
        for key, value in level.relion_add_parameter.items()
    }
    return replace(level, relion_add_parameter=added)


def window_wishes(
    request: JobRequest, matched: MatchedType, configuration: Configuration, scheduler: Scheduler
) -> Wishes:
    """What was typed, held against the site.

    Raises:
        InputError: the site does not offer the field or the value, or not to this user.
    """
    site = configuration.site
    texts, nameless = typed_texts(request)
    typed: dict[str, str] = {}
    values: dict[str, Any] = {}
    warnings: list[str] = []
    for name, text in texts.items():
        if idle := _idle(name, text, matched, request, scheduler):
            warnings.append(f'"{site.window.name(name)}" {text} {idle}.')
            continue
        found = _read(name, text, request, site)
        if found is not None:
            typed[name] = text
            values |= found
    _see_that_there_is(values, site, matched, configuration.catalogue)
    options = tuple(values.pop("scheduler_options", ()))
    if problem := next(refused_options(options, scheduler), None):
        raise _wrong(site, "options", problem)
    if "partition" in values:
        values["partitions"] = None
    said = "; ".join(f"{site.window.name(name)} {text}" for name, text in typed.items())
    return Wishes(
        typed,
        version=values.pop("image", None),
        account=values.pop("account", None),
        goes_on=values.pop("goes_on", None),
        parameters=values,
        options=options,
        reasons=(f"From RELION's window: {said}.",) if said else (),
        warnings=tuple(warnings),
        nameless=nameless,
        of_the_type={key: matched.parameters.get(key) for key in values},
    )


def _idle(
    name: str, text: str, matched: MatchedType, request: JobRequest, scheduler: Scheduler
) -> str | None:
    """Why the field says nothing to such a job; None if it does."""
    if name in _OF_A_QUEUE and scheduler.detached:
        return _HERE
    main = request.submission.main
    if name == "image" and not matched.image:
        return f"is left out, because jobs of the type {matched.name} run in no image"
    if name not in ("gpus", "ranks_per_gpu"):
        return None
    if request.submission.is_pipeliners:
        runner = "is left out, because the Pipeliner's job runner starts the ranks"
        return runner if name == "ranks_per_gpu" else None
    if (request.label or "").startswith("relion.external") or main.kind == "shell":
        own = "is left out, because the program decides on its ranks by itself"
        return own if name == "ranks_per_gpu" else None
    if not (matched.parameters.get("ngpu", 0) != 0 or matched.nearest("adjust_GPU_nproc_to_mem")):
        return f"is left out, because jobs of the type {matched.name} use no GPU"
    program = lookup(main.program)
    number = text.rpartition(":")[2]
    if name == "gpus" and program.gpu and not program.gpu_groups and number.isdigit():
        return f"is left out, because {main.base_program} uses one GPU" if number != "1" else None
    return None


def _read(name: str, text: str, request: JobRequest, site: Site) -> Mapping[str, Any] | None:
    """What the text means to the plan; None if it is the default, which this user may not change.

    Raises:
        InputError: the site does not offer the field, or not this value, or not to this user.
    """
    field = site.window.offered.get(name)
    if field is None:
        raise InputError(
            f'"{site.window.name(name)}" in RELION\'s window has {text[:40]!r}, and this site does '
            f'not offer that field (any more): write "{UNSET}" there, or start RELION anew, and '
            "submit the job again."
        )
    if not _may_use(field, request):
        if text == field.default:
            return None
        raise InputError(
            f'"{site.window.name(name)}" in RELION\'s window is for '
            f'{", ".join([*field.users, *field.groups])} alone: write "{field.default}" there, and '
            "submit the job again."
        )
    found = reading(name, text, field)
    if found.problem:
        raise _wrong(site, name, found.problem)
    return found.values


def _may_use(field: WindowField, request: JobRequest) -> bool:
    if not (field.users or field.groups):
        return True
    submitter = request.submitter
    return submitter.user in field.users or not submitter.groups.isdisjoint(field.groups)


def _see_that_there_is(
    values: dict[str, Any], site: Site, matched: MatchedType, catalogue: Catalogue
) -> None:
    """See that what is named exists, and write a type of GPUs as the site does.

    Raises:
        InputError: there is no such partition, type of GPUs, or version of the image.
    """
    partition = values.get("partition")
    if partition and site.partitions and partition not in site.partitions:
        raise _wrong(site, "partition", _not_among(partition, [*site.partitions]))
    if (wanted := values.get("gpu_type")) and (known := _gpu_types(site)):
        found = next((each for each in known if each.lower() == wanted.lower()), None)
        if found is None:
            raise _wrong(site, "gpus", _not_among(wanted, known))
        values["gpu_type"] = found
    if (version := values.get("image")) and matched.image:
        versions = list(dict.fromkeys(each.version for each in catalogue.find(matched.image)))
        if version not in versions:
            raise _wrong(site, "image", _not_among(version, versions))


def _gpu_types(site: Site) -> list[str]:
    """The types of GPUs that the site names; none if some of its GPUs have no name."""
    every = [each for name in site.partitions.values() for each in kinds(name) if each.gpus != 0]
    names = [each.gpu_type for each in every]
    return list(dict.fromkeys(each for each in names if each)) if all(names) else []


def _not_among(found: str, known: Sequence[str]) -> str:
    return f"expected {UNSET} or one of {', '.join(known)}, found {found!r}"


def _wrong(site: Site, name: str, problem: str) -> InputError:
    return InputError(f'"{site.window.name(name)}" in RELION\'s window: {problem}: {_CORRECT}')
